/** A codec thread that cannot load its codecs. */
import { workerData } from 'node:worker_threads';
import { createTaskHandler, type ThreadSetup } from '../../src/codec/thread-task.ts';

const never = (): never => {
  throw new Error('nothing was loaded');
};

export default createTaskHandler(
  { load: () => Promise.reject(new Error('no codecs here')), examine: never, encode: never, decode: never },
  workerData as ThreadSetup,
);
