/** Random histories of a store, from a seed, beside a model that says what must be there afterwards. */
import assert from 'node:assert/strict';
import { GatewayError } from '../../src/base/errors.ts';
import type { BucketName, UploadId } from '../../src/base/names.ts';
import type { ObjectInfo } from '../../src/base/object-info.ts';
import type { Storage } from '../../src/base/object-store.ts';
import {
  allKeys,
  bytesOf,
  bytesSource,
  copyOf,
  key,
  noise,
  sameBytes,
  storedFor,
  streamSource,
} from '../contract/scene.ts';
import { withTags } from './keeper-scene.ts';

interface Thing {
  readonly bytes: Buffer;
  readonly tags: Record<string, string> | undefined;
  readonly etag: string;
}

interface OpenUpload {
  readonly bucket: BucketName;
  readonly key: string;
  readonly id: UploadId;
  readonly parts: Map<number, Buffer>;
}

/** Chance that can be repeated. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 0x9e3779b1 + 0x7f4a7c15) >>> 0;
  }

  /** 0 to `sides` - 1. */
  roll(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) % sides;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.roll(from.length)] as T;
  }
}

const SIZES = [0, 1, 15, 100, 1000, 5000, 30_000, 300_000];
const NAMES = ['a', 'b', 'dir/', 'dir/c', 'dir/d', 'nul\0', 'é', 'z'];

export class History {
  readonly #dice: Dice;
  readonly #bigEvery: number;
  readonly #buckets = new Map<BucketName, Map<string, Thing>>();
  readonly #uploads: OpenUpload[] = [];
  readonly #prefix: string;
  readonly #body: (size: number, seed: number) => Buffer;
  #bucketCount = 0;
  #bytesSeed = 1;

  /** One write in `bigEvery` has several extents. Histories with different prefixes can share a store. */
  constructor(dice: Dice, bigEvery = 40, prefix = '', body: (size: number, seed: number) => Buffer = noise) {
    this.#dice = dice;
    this.#bigEvery = bigEvery;
    this.#prefix = prefix;
    this.#body = body;
  }

  /** One operation on one of the stores. */
  async step(storage: Storage): Promise<void> {
    const dice = this.#dice;
    if (this.#buckets.size === 0 || dice.roll(60) === 0) return this.#createBucket(storage);
    const bucket = dice.pick([...this.#buckets.keys()]);
    const name = dice.pick(NAMES);
    const roll = dice.roll(100);
    if (roll < 35) return this.#put(storage, bucket, name);
    if (roll < 45) return this.#conditionalPut(storage, bucket, name);
    if (roll < 60) return this.#remove(storage, bucket, name);
    if (roll < 70) return this.#tag(storage, bucket, name);
    if (roll < 76) return this.#copy(storage, bucket, name);
    if (roll < 81) return this.#createUpload(storage, bucket, name);
    if (roll < 91) return this.#putPart(storage);
    if (roll < 95) return this.#completeUpload(storage);
    if (roll < 97) return this.#abortUpload(storage);
    return this.#removeBucket(storage, bucket);
  }

  /** All objects with all bytes, and no more; all open uploads with their parts. */
  async check(storage: Storage): Promise<void> {
    const names = storage.buckets.list().map((bucket) => bucket.name);
    assert.deepEqual(names.filter((name) => name.startsWith(this.#prefix)).sort(), [...this.#buckets.keys()].sort());
    for (const [bucket, things] of this.#buckets) {
      const sorted = [...things.keys()].sort((a, b) => Buffer.from(a).compare(Buffer.from(b)));
      assert.deepEqual(await allKeys(storage, bucket), sorted);
      for (const [name, thing] of things) await checkThing(storage, bucket, name, thing);
    }
    for (const upload of this.#uploads) {
      const page = await storage.uploads.listParts(upload.bucket, key(upload.key), upload.id, 0, 1000);
      const expected = [...upload.parts].sort(([a], [b]) => a - b).map(([number, bytes]) => [number, bytes.length]);
      assert.deepEqual(
        page.parts.map((part) => [part.number, part.size]),
        expected,
      );
    }
  }

  #bytes(): Buffer {
    const size = this.#dice.roll(this.#bigEvery) === 0 ? 4 * 1024 * 1024 + 7 : this.#dice.pick(SIZES);
    return this.#body(size, this.#bytesSeed++);
  }

  #things(bucket: BucketName): Map<string, Thing> {
    return this.#buckets.get(bucket) as Map<string, Thing>;
  }

  async #createBucket(storage: Storage): Promise<void> {
    const name = `${this.#prefix}bucket-${this.#dice.roll(4)}` as BucketName;
    if (this.#buckets.has(name)) {
      await storage.buckets.update(name, { tags: { n: String(this.#bucketCount++) } });
      return;
    }
    await storage.buckets.create(name, 'owner-1', { acl: 'private' });
    this.#buckets.set(name, new Map());
  }

  async #put(storage: Storage, bucket: BucketName, name: string): Promise<void> {
    const bytes = this.#bytes();
    const source = this.#dice.roll(2) === 0 ? bytesSource(bytes) : streamSource(bytes);
    const info = await storage.objects.put(bucket, key(name), source, {});
    this.#things(bucket).set(name, thing(bytes, undefined, info));
  }

  async #conditionalPut(storage: Storage, bucket: BucketName, name: string): Promise<void> {
    const current = this.#things(bucket).get(name);
    const bytes = this.#bytes();
    const wrong = this.#dice.roll(4) === 0;
    const conditions =
      (current === undefined) !== wrong ? { ifNoneMatch: '*' as const } : { ifMatch: current?.etag ?? '*' };
    try {
      const info = await storage.objects.put(bucket, key(name), bytesSource(bytes, { tags: { c: '1' } }), conditions);
      assert(!wrong, 'a condition that does not hold was taken');
      this.#things(bucket).set(name, thing(bytes, { c: '1' }, info));
    } catch (error) {
      if (!wrong || !(error instanceof GatewayError)) throw error;
    }
  }

  async #remove(storage: Storage, bucket: BucketName, name: string): Promise<void> {
    const current = this.#things(bucket).get(name);
    const conditions = current !== undefined && this.#dice.roll(3) === 0 ? { ifMatch: current.etag } : {};
    await storage.objects.remove(bucket, key(name), conditions);
    this.#things(bucket).delete(name);
  }

  async #tag(storage: Storage, bucket: BucketName, name: string): Promise<void> {
    const current = this.#things(bucket).get(name);
    if (current === undefined) return;
    const tags = { t: String(this.#bytesSeed++) };
    await storage.objects.put(bucket, key(name), withTags(bucket, name, tags), {});
    this.#things(bucket).set(name, { ...current, tags });
  }

  async #copy(storage: Storage, bucket: BucketName, name: string): Promise<void> {
    const current = this.#things(bucket).get(name);
    const target = this.#dice.pick(NAMES);
    if (current === undefined || target === name) return;
    await storage.objects.put(bucket, key(target), copyOf(bucket, key(name)), {});
    this.#things(bucket).set(target, current);
  }

  async #createUpload(storage: Storage, bucket: BucketName, name: string): Promise<void> {
    const upload = { contentType: 'image/x', attributes: {}, checksum: undefined };
    const id = await storage.uploads.create(bucket, key(name), upload);
    this.#uploads.push({ bucket, key: name, id, parts: new Map() });
  }

  async #putPart(storage: Storage): Promise<void> {
    if (this.#uploads.length === 0) return;
    const upload = this.#dice.pick(this.#uploads);
    const number = 1 + this.#dice.roll(4);
    const bytes = this.#bytes();
    await storage.uploads.putPart(upload.bucket, key(upload.key), upload.id, number, streamSource(bytes));
    upload.parts.set(number, bytes);
  }

  async #completeUpload(storage: Storage): Promise<void> {
    const upload = this.#uploads.find((candidate) => candidate.parts.size > 0);
    if (upload === undefined) return;
    const numbers = [...upload.parts.keys()].sort((a, b) => a - b).slice(this.#dice.roll(2) % upload.parts.size);
    const bytes = Buffer.concat(numbers.map((number) => upload.parts.get(number) as Buffer));
    const { bucket, id } = upload;
    const seal = () => storedFor(bytes);
    const info = await storage.uploads.complete(bucket, key(upload.key), id, numbers, seal, {});
    this.#uploads.splice(this.#uploads.indexOf(upload), 1);
    this.#things(bucket).set(upload.key, thing(bytes, undefined, info));
  }

  async #abortUpload(storage: Storage): Promise<void> {
    const upload = this.#uploads.shift();
    if (upload !== undefined) await storage.uploads.abort(upload.bucket, key(upload.key), upload.id);
  }

  async #removeBucket(storage: Storage, bucket: BucketName): Promise<void> {
    for (const name of this.#things(bucket).keys()) await storage.objects.remove(bucket, key(name));
    await storage.buckets.remove(bucket);
    this.#buckets.delete(bucket);
    for (let i = this.#uploads.length - 1; i >= 0; i--)
      if (this.#uploads[i]?.bucket === bucket) this.#uploads.splice(i, 1);
  }
}

function thing(bytes: Buffer, tags: Thing['tags'], { etag }: ObjectInfo): Thing {
  return { bytes, tags, etag };
}

async function checkThing(storage: Storage, bucket: BucketName, name: string, expected: Thing): Promise<void> {
  const read = await storage.objects.get(bucket, key(name), {});
  assert(read !== undefined && !('kind' in read), `/${bucket}/${name} is absent`);
  assert.equal(read.info.etag, expected.etag);
  assert.deepEqual(read.info.attributes.tags, expected.tags);
  sameBytes(await bytesOf(read), expected.bytes);
}
