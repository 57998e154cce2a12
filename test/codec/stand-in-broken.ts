/** A codec thread that cannot load its codecs at first. */
import { workerData } from 'node:worker_threads';
import type { DecodeItem } from '../../src/codec/object-coding.ts';
import { createTaskHandler, type ThreadSetup } from '../../src/codec/thread-task.ts';

const never = (): never => {
  throw new Error('not asked for');
};

const attempts = { left: 2 };

async function load(): Promise<void> {
  if (attempts.left-- > 0) throw new Error('no codecs here');
}

const decode = (_: unknown, { stored }: DecodeItem): Buffer => stored;

export default createTaskHandler({ load, examine: never, encode: never, decode }, workerData as ThreadSetup);
