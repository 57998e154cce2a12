/** A codec thread for tests of the pool: it does what its input says, and dies or hangs when told to. */
import { threadId, workerData } from 'node:worker_threads';
import { GatewayError } from '../../src/base/errors.ts';
import { type DecodeItem, type Dictionary, type Encoded, PAYLOAD_CODEC } from '../../src/codec/object-coding.ts';
import { yieldToOthers } from '../../src/codec/thread-priority.ts';
import { createTaskHandler, type ThreadSetup } from '../../src/codec/thread-task.ts';
import { CONTENT_CLASS, type Content } from '../../src/format/content.ts';

const setup = workerData as ThreadSetup;

/** Dictionaries by their bytes, as this thread was given them first. */
const seen = new Map<string, Dictionary>();

/** How often the event loop of this thread came round to what tasks left for it. */
const loop = { turns: 0 };

/** What it gave away last. */
const memory: { own?: Buffer } = {};

function endOrHang(command: string): void {
  if (command === 'exit') process.exit(1);
  if (command === 'throw') throw new Error('told to');
  if (command !== 'hang') return;
  for (;;);
}

/** `same` when this thread was given the very same object before. */
function dictionaryReport({ dictionary }: DecodeItem): string {
  const text = String(dictionary?.bytes);
  if (dictionary !== undefined && !seen.has(text)) seen.set(text, dictionary);
  return `${dictionary?.id} ${text} ${seen.get(text) === dictionary ? 'same' : 'another'}`;
}

function decode(_: string, item: DecodeItem): Buffer {
  const command = item.stored.toString('latin1');
  endOrHang(command);
  switch (command) {
    case 'loss':
      throw new GatewayError('DataLoss', 'gone');
    case 'thread':
      return Buffer.from(String(threadId)); // of Node's pool
    case 'dictionary':
      return Buffer.from(dictionaryReport(item));
    case 'range':
      return Buffer.from(JSON.stringify([item.codec, item.size, item.crc, item.range]));
    case 'turn':
      setImmediate(() => {
        loop.turns++;
      });
      return Buffer.from(String(loop.turns));
    case 'own':
      memory.own = Buffer.from(new Uint8Array(item.size).fill(7).buffer);
      return memory.own;
    case 'moved':
      return Buffer.from(String(memory.own?.length === 0));
    default:
      return item.stored;
  }
}

function encode(codecs: string, bytes: Buffer, options: object): Encoded {
  endOrHang(bytes.toString('latin1'));
  const stored = bytes.length === 0 ? undefined : Buffer.from(`${codecs} ${bytes} ${JSON.stringify(options)}`);
  return { class: CONTENT_CLASS.mr, codec: PAYLOAD_CODEC.sections, stored, dictionaryId: 3, mismatches: 2 };
}

function examine(bytes: Buffer): Content {
  endOrHang(bytes.toString('latin1'));
  return {
    class: CONTENT_CLASS.ct,
    headerLength: bytes.length,
    series: undefined,
    pixels: undefined,
    isCompressed: false,
  };
}

async function load(): Promise<string> {
  if (setup.isBackground) await yieldToOthers();
  return 'codecs';
}

export default createTaskHandler({ load, examine, encode, decode }, setup);
