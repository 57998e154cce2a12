/** A thread of the codec pool, from its first line. It loads the codecs once, before its first task. */
import { workerData } from 'node:worker_threads';
import { detectContent } from '../format/content-detect.ts';
import { type CodecSet, codecSetOf } from './codec-set.ts';
import { loadCodecs } from './codecs.ts';
import { decodePayload } from './decode-payload.ts';
import { encodeObject } from './encode-object.ts';
import { yieldToOthers } from './thread-priority.ts';
import { createTaskHandler, type ThreadSetup } from './thread-task.ts';

const setup = workerData as ThreadSetup;

async function load(): Promise<CodecSet> {
  if (setup.isBackground) await yieldToOthers();
  const { all } = await loadCodecs();
  return codecSetOf(all);
}

export default createTaskHandler({ load, examine: detectContent, encode: encodeObject, decode: decodePayload }, setup);
