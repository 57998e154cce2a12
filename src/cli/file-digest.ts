/** The ETag that bytes on this machine would have, read in pieces, for comparison with an object. */
import { createHash, type Hash } from 'node:crypto';
import { fileParts } from './file-parts.ts';
import { etagForm } from './sync-plan.ts';

const READ_BYTES = 1024 * 1024;

/** Takes bytes in order and says in the end whether they are the object of that size and ETag. */
export interface EtagCheck {
  update(chunk: Buffer): void;
  matches(): boolean;
}

function wholeCheck(etag: string): EtagCheck {
  const hash = createHash('md5');
  return { update: (chunk) => void hash.update(chunk), matches: () => hash.digest('hex') === etag };
}

/** MD5 of the MD5s of the parts, for one size of parts. */
function partsCheck(etag: string, partSize: number): EtagCheck {
  const whole = createHash('md5');
  let part: Hash = createHash('md5');
  let filled = 0;
  let parts = 0;
  const endPart = (): void => {
    whole.update(part.digest());
    part = createHash('md5');
    filled = 0;
    parts += 1;
  };
  return {
    update(chunk) {
      for (let at = 0; at < chunk.length; ) {
        const end = Math.min(chunk.length, at + partSize - filled);
        part.update(chunk.subarray(at, end));
        filled += end - at;
        at = end;
        if (filled === partSize) endPart();
      }
    },
    matches() {
      if (filled > 0 || parts === 0) endPart();
      return `${whole.digest('hex')}-${parts}` === etag;
    },
  };
}

/** `undefined` when no known way of making ETags leads to this one. */
export function etagCheck(size: number, etag: string): EtagCheck | undefined {
  const form = etagForm(size, etag);
  if (form === undefined) return undefined;
  if (form.kind === 'md5') return wholeCheck(etag);
  const checks = form.sizes.map((partSize) => partsCheck(etag, partSize));
  return {
    update(chunk) {
      for (const check of checks) check.update(chunk);
    },
    matches: () => checks.map((check) => check.matches()).includes(true),
  };
}

/** Whether a file has the content that the ETag stands for. */
export async function fileMatches(path: string, size: number, etag: string): Promise<boolean> {
  const check = etagCheck(size, etag);
  if (check === undefined) return false;
  // A stream of node:fs costs four times as much for a file of 16 KiB (360 µs against 90, 2026-11).
  for await (const chunk of fileParts(path, size, READ_BYTES)) check.update(chunk);
  return check.matches();
}

export function bytesMatch(bytes: Buffer, etag: string): boolean {
  const check = etagCheck(bytes.length, etag);
  check?.update(bytes);
  return check?.matches() ?? false;
}
