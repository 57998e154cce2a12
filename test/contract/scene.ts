/** What the sections of the storage contract share: an open storage, fresh buckets, bodies, and short ways to say what is expected. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type ErrorCode, GatewayError } from '../../src/base/errors.ts';
import { type BucketName, type ObjectKey, parseBucketName, parseObjectKey } from '../../src/base/names.ts';
import type { ObjectAttributes, ObjectInfo, StoredAttributes } from '../../src/base/object-info.ts';
import type { CopySource, NotModified, ObjectRead, PutSource, Storage } from '../../src/base/object-store.ts';

export interface Scene {
  readonly storage: Storage;
  /** A new, empty bucket of the owner `OWNER`. */
  freshBucket(): Promise<BucketName>;
}

export const OWNER = 'owner-1';
export const KiB = 1024;
export const MiB = 1024 * KiB;

export function key(text: string): ObjectKey {
  return parseObjectKey(text);
}

/** A bucket that no test creates. */
export const ABSENT_BUCKET = parseBucketName('never-created');

/** Reproducible noise: two bodies of different seeds differ, and no two stretches of one are alike. */
export function noise(size: number, seed = 1): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4));
  let x = (seed * 0x9e3779b1) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return Buffer.from(words.buffer, 0, size);
}

export function storedFor(bytes: Buffer, attributes: ObjectAttributes = {}): StoredAttributes {
  return { etag: createHash('md5').update(bytes).digest('hex'), contentType: 'application/octet-stream', attributes };
}

export function bytesSource(bytes: Buffer, attributes?: ObjectAttributes): PutSource {
  return { kind: 'bytes', bytes, stored: storedFor(bytes, attributes) };
}

/** The bytes in copies of odd sizes, the empty chunk among them. */
export async function* oddChunks(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  const sizes = [1, 0, 65_537, 3, 262_147, 16_384];
  let turn = 0;
  for (let offset = 0; offset < bytes.length; turn++) {
    const end = offset + (sizes[turn % sizes.length] as number);
    yield Buffer.from(bytes.subarray(offset, end));
    offset = Math.min(end, bytes.length);
  }
}

export function streamSource(bytes: Buffer, attributes?: ObjectAttributes): PutSource {
  return { kind: 'stream', chunks: oddChunks(bytes), seal: () => storedFor(bytes, attributes) };
}

/** A stream that gives the bytes and then fails. */
export async function* brokenStream(bytes: Buffer, failure: Error): AsyncGenerator<Buffer, void, undefined> {
  yield* oddChunks(bytes);
  throw failure;
}

/** Keeps what was stored with the source. */
export function keepStored(source: ObjectInfo): StoredAttributes {
  return { etag: source.etag, contentType: source.contentType, attributes: source.attributes };
}

export function copyOf(bucket: BucketName, from: ObjectKey, rest: Partial<CopySource> = {}): CopySource {
  return { kind: 'copy', bucket, key: from, seal: keepStored, ...rest };
}

type Answer = ObjectRead | NotModified | undefined;

/** The answer as a read that holds an object. */
export function found(answer: Answer): ObjectRead {
  assert(answer !== undefined, 'the object is absent');
  assert(!('kind' in answer), 'the answer is "not modified"');
  return answer;
}

/** All bytes of a body, which must be as long as the answer says. */
export async function bytesOf(answer: Answer): Promise<Buffer> {
  const { body, start, end } = found(answer);
  const chunks: Buffer[] = [];
  if (Buffer.isBuffer(body)) chunks.push(body);
  else for await (const chunk of body) chunks.push(Buffer.from(chunk));
  const bytes = Buffer.concat(chunks);
  assert.equal(bytes.length, end - start, 'the body is not as long as its range');
  return bytes;
}

/** Compares big buffers without printing them. */
export function sameBytes(actual: Buffer, expected: Buffer): void {
  assert.equal(actual.length, expected.length);
  assert(actual.equals(expected), `the ${expected.length} bytes differ from those that were put`);
}

/** The promise must reject with that refusal, which is returned. */
export async function refused(promise: Promise<unknown>, code: ErrorCode): Promise<GatewayError> {
  const outcome = await promise.then(
    () => assert.fail(`expected ${code}, but it resolved`),
    (error: unknown) => error,
  );
  if (!(outcome instanceof GatewayError)) throw outcome;
  assert.equal(outcome.code, code);
  return outcome;
}

/** The promise must reject with that very failure, or with one that names it as its cause. */
export async function failsWith(promise: Promise<unknown>, failure: Error): Promise<void> {
  await assert.rejects(promise, (error: Error) => error === failure || error.cause === failure);
}

/** Every key of a bucket, in order. */
export async function allKeys(storage: Storage, bucket: BucketName): Promise<string[]> {
  const keys: string[] = [];
  let cursor = { after: '', afterPrefix: false };
  for (;;) {
    const page = await storage.objects.list(bucket, { prefix: '', delimiter: '', limit: 1000, ...cursor });
    for (const entry of page.entries) keys.push(entry.kind === 'object' ? entry.key : entry.prefix);
    if (page.next === undefined) return keys;
    cursor = page.next;
  }
}

/** Returns when the clock shows another millisecond. */
export async function nextMillisecond(): Promise<void> {
  const start = Date.now();
  while (Date.now() <= start) await new Promise(setImmediate);
}
