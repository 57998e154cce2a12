/** A codec thread that dies while it loads its codecs. */
import { workerData } from 'node:worker_threads';
import { createTaskHandler, type ThreadSetup } from '../../src/codec/thread-task.ts';

const never = (): never => process.exit(3);

export default createTaskHandler(
  { load: never, examine: never, encode: never, decode: never },
  workerData as ThreadSetup,
);
