/** Whether a GET brought what was asked for. Pure. */
import type { Answer } from '../suite/answer-reader.ts';
import type { Wanted } from './batch-check.ts';
import { faulty, good, type Outcome } from './tally.ts';

export function checkGet({ status, bytes, crc32, text }: Answer, { key, content }: Wanted): Outcome {
  if (content === undefined) {
    return status === 404 ? good(1, 0) : faulty('wrong', `GET ${key}: deleted, and answered with ${status}`);
  }
  if (status !== 200) return faulty('refused', `GET ${key}: answered with ${status} ${codeIn(text)}`.trimEnd());
  if (bytes < content.size) return faulty('short', `GET ${key}: ${bytes} of ${content.size} bytes`);
  if (bytes > content.size || crc32 !== content.crc) return faulty('wrong', `GET ${key}: other bytes`);
  return good(1, bytes);
}

/** Of a request that changes something. */
export function checkChange(method: string, key: string, { status, text }: Answer): Outcome {
  if (status >= 200 && status < 300) return good(1, 0);
  return faulty('refused', `${method} ${key}: answered with ${status} ${codeIn(text)}`.trimEnd());
}

function codeIn(text: string): string {
  return /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? '';
}
