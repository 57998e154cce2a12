/** Whether a GET brought what was asked for. Pure. */
import { crc32 } from '@node-rs/crc32';
import type { Answer } from './answer-reader.ts';
import type { Wanted } from './batch-check.ts';
import { faulty, good, type Outcome } from './tally.ts';

export function checkGet({ status, body }: Answer, { key, content }: Wanted): Outcome {
  if (content === undefined) {
    return status === 404 ? good(1, 0) : faulty('wrong', `GET ${key}: deleted, and answered with ${status}`);
  }
  if (status !== 200) return faulty('refused', `GET ${key}: answered with ${status} ${codeIn(body)}`.trimEnd());
  if (body.length < content.size) return faulty('short', `GET ${key}: ${body.length} of ${content.size} bytes`);
  if (body.length > content.size || crc32(body) !== content.crc) return faulty('wrong', `GET ${key}: other bytes`);
  return good(1, body.length);
}

/** Of a request that changes something. */
export function checkChange(method: string, key: string, { status, body }: Answer): Outcome {
  if (status >= 200 && status < 300) return good(1, 0);
  return faulty('refused', `${method} ${key}: answered with ${status} ${codeIn(body)}`.trimEnd());
}

function codeIn(body: Buffer): string {
  return /<Code>(\w+)<\/Code>/.exec(body.toString('latin1', 0, 1000))?.[1] ?? '';
}
