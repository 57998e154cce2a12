import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CachedReader } from '../../src/cache/cached-reader.ts';
import type { Location } from '../../src/format/manifest.ts';
import type { RecordReader } from '../../src/store/record-reader.ts';

const SIZE = 1000;
/** Room for eight entries with what they cost beside their bytes. */
const ROOM = 8 * 1250;
const IDLE_MS = 10 * 60_000;

function at(i: number): Location {
  return { volume: 1, offset: i * 2048, headLength: 100, length: SIZE, crc: 0, codec: 0, size: SIZE };
}

function bytesOf(i: number): Buffer {
  return Buffer.alloc(SIZE, i);
}

/** A cache over a source that counts its reads, and a clock that stands. */
function newCache(): { cache: CachedReader; reads: number[]; clock: { ms: number } } {
  const reads: number[] = [];
  const clock = { ms: 1000 };
  const source = {
    read(location: Location): Buffer {
      const i = location.offset / 2048;
      reads.push(i);
      return bytesOf(i);
    },
  } as unknown as RecordReader;
  return { cache: new CachedReader(source, ROOM, () => clock.ms), reads, clock };
}

function held(cache: CachedReader, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i).filter((i) => cache.has(at(i)));
}

describe('what batches read', () => {
  it('is kept, as a copy, while there is room, and drives nothing out', () => {
    const { cache } = newCache();
    const bytes = bytesOf(0);
    cache.offer(at(0), bytes);
    bytes.fill(99);
    assert.ok(cache.cached(at(0))?.equals(bytesOf(0)));
    for (let i = 1; i < 100; i++) cache.offer(at(i), bytesOf(i));
    assert.deepEqual(held(cache, 100), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.ok(cache.stats.bytes <= ROOM);
    assert.equal(cache.stats.entries, 8);
  });

  it('takes the place of what nobody has used for long, and of nothing else', () => {
    const { cache, clock } = newCache();
    for (let i = 0; i < 8; i++) cache.offer(at(i), bytesOf(i));
    clock.ms += IDLE_MS - 1;
    for (let i = 8; i < 200; i++) cache.offer(at(i), bytesOf(i));
    assert.deepEqual(held(cache, 200), [0, 1, 2, 3, 4, 5, 6, 7]);
    for (const i of [2, 5]) cache.cached(at(i));
    clock.ms += 2;
    for (let i = 200; i < 400; i++) cache.offer(at(i), bytesOf(i));
    assert.deepEqual(held(cache, 200), [2, 5]);
    assert.equal(cache.stats.entries, 8);
    assert.ok(cache.stats.bytes <= ROOM);
  });
});

describe('what is read one by one', () => {
  it('drives out the oldest that was not used again', () => {
    const { cache, reads } = newCache();
    for (let i = 0; i < 8; i++) void cache.read(at(i));
    for (const i of [0, 3]) void cache.read(at(i));
    for (let i = 8; i < 14; i++) void cache.read(at(i));
    assert.deepEqual(held(cache, 14), [0, 3, 8, 9, 10, 11, 12, 13]);
    assert.equal(reads.length, 14);
    for (let i = 14; i < 22; i++) void cache.read(at(i)); // a use counts once
    assert.deepEqual(held(cache, 22), [14, 15, 16, 17, 18, 19, 20, 21]);
  });

  it('ends where all were used', () => {
    const { cache } = newCache();
    for (let i = 0; i < 8; i++) void cache.read(at(i));
    for (let i = 0; i < 8; i++) void cache.read(at(i));
    void cache.read(at(8));
    assert.deepEqual(held(cache, 9), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert.equal(cache.stats.hits, 8);
    assert.equal(cache.stats.misses, 9);
  });
});
