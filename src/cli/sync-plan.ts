/**
 * What a repeated import or export still has to move. Both sides come in the order of their keys and are joined as they stream
 * by, so that a bucket of a billion objects costs list pages and no memory, and no HEAD.
 *
 * Same size is not same content, so equal sizes are compared by MD5. The ETag of a multipart upload is the MD5 of its parts'
 * MD5s and depends on the size of the parts, which nothing records: the sizes that common programs use are tried.
 */
import { LIMITS } from '../base/limits.ts';
import { compareUtf8 } from '../store/sorted-map.ts';

const MiB = 1024 * 1024;

export interface RemoteObject {
  readonly key: string;
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedMs: number;
}

export interface Pair<T> {
  readonly local: T;
  readonly remote: RemoteObject | undefined;
}

/** Pairs every local item with the object of its key. Both must come in the order of `compareUtf8`. */
export async function* joinByKey<T extends { readonly key: string }>(
  locals: AsyncIterable<T>,
  remotes: AsyncIterable<RemoteObject>,
): AsyncGenerator<Pair<T>> {
  const iterator = remotes[Symbol.asyncIterator]();
  let current = await iterator.next();
  try {
    for await (const local of locals) {
      while (!current.done && compareUtf8(current.value.key, local.key) < 0) current = await iterator.next();
      const found = !current.done && current.value.key === local.key;
      yield { local, remote: found ? current.value : undefined };
    }
  } finally {
    await iterator.return?.();
  }
}

export type Verdict = 'missing' | 'different' | 'same' | 'compare';

/** Decides what it can without reading content: `compare` asks for the digest that `etagForm` names. */
export function judge(size: number, remote: RemoteObject | undefined, sizeOnly: boolean): Verdict {
  if (remote === undefined) return 'missing';
  if (remote.size !== size) return 'different';
  if (sizeOnly) return 'same';
  return etagForm(size, remote.etag) === undefined ? 'different' : 'compare';
}

export type EtagForm = { readonly kind: 'md5' } | { readonly kind: 'parts'; readonly sizes: readonly number[] };

const COMMON_PART_SIZES = [5, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 250, 256, 500, 512, 1024].map(
  (n) => n * MiB,
);

/** How an ETag was made; `undefined` when no known way leads to it. */
export function etagForm(size: number, etag: string): EtagForm | undefined {
  if (/^[0-9a-f]{32}$/.test(etag)) return { kind: 'md5' };
  const parts = Number(/^[0-9a-f]{32}-(\d{1,5})$/.exec(etag)?.[1]);
  if (!(parts >= 1)) return undefined;
  const fits = (partSize: number): boolean => Math.max(1, Math.ceil(size / partSize)) === parts;
  const sizes = [...new Set([partSizeFor(size), ...COMMON_PART_SIZES])].filter(fits);
  if (parts === 1 && !sizes.includes(size)) sizes.push(Math.max(size, 1));
  return sizes.length === 0 ? undefined : { kind: 'parts', sizes };
}

/** Objects up to this size are sent in one request. */
export const SINGLE_PUT_BYTES_MAX = 64 * MiB;
const PART_BYTES = 16 * MiB;

/** The part size of our own uploads: 16 MiB, and more only where the number of parts would not do, in whole MiB. */
export function partSizeFor(size: number): number {
  const least = Math.ceil(size / LIMITS.partsMax / MiB) * MiB;
  return Math.max(PART_BYTES, least);
}
