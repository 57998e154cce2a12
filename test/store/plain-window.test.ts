import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeAttributes } from '../../src/format/attributes.ts';
import { Entry, EntryInfo, encodeEntry, isPlainAt, withRecord } from '../../src/format/index-entry.ts';
import { RECORD_ALIGNMENT, RECORD_KIND, recordHead } from '../../src/format/record.ts';
import { EntryArena } from '../../src/store/entry-arena.ts';
import { PLAIN_WINDOW_MAX, PlainWindow } from '../../src/store/plain-window.ts';

interface Placed {
  readonly volume: number;
  readonly offset: number;
  readonly headLength: number;
  readonly length: number;
  readonly crc: number;
  readonly parts: number;
  readonly metadata: string;
}

function entryOf(placed: Placed): Buffer {
  const { volume, offset, headLength, length, crc, parts, metadata } = placed;
  const head = recordHead({
    kind: RECORD_KIND.object,
    timestamp: 1_700_000_000_000 * 1024,
    payloadLength: length,
    payloadCrc: crc,
    size: length,
    modifiedMs: 1_700_000_000_123 + length,
    bucketId: 7,
    digest: Buffer.from('a0a1a2a3a4a5a6a7a8a9aaabacadaeaf', 'hex'),
    etagParts: parts,
    versionId: Buffer.alloc(8, 1),
    key: Buffer.from('k'),
    attributes: encodeAttributes('image/png', { metadata: { about: metadata } }),
  });
  return encodeEntry(head, { volume, offset, headLength }, 0, undefined);
}

const placed: fc.Arbitrary<Placed> = fc.record({
  volume: fc.constantFrom(1, 2, 77, 2 ** 20 - 1),
  offset: fc.nat(2 ** 29 - 1).map((units) => units * RECORD_ALIGNMENT),
  headLength: fc.integer({ min: 90, max: 1200 }),
  length: fc.integer({ min: 1, max: 2 ** 20 }),
  crc: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  parts: fc.constantFrom(0, 1, 10_000),
  metadata: fc.string({ maxLength: 300 }),
});

test('a window says of every object what its entry says, volume by volume in the order of place', () => {
  fc.assert(
    fc.property(fc.array(placed, { minLength: 1, maxLength: 60 }), (objects) => {
      const window = new PlainWindow(new EntryArena(64));
      for (const [i, object] of objects.entries()) {
        const bytes = entryOf(object);
        window.add(1000 + i, window.arena.keep(Buffer.concat([bytes, Buffer.from('of another')]), bytes.length));
      }
      window.sortByPlace();
      assert.equal(window.count, objects.length);
      const seen = new Set<number>();
      for (let rank = 0; rank < window.count; rank++) {
        const object = objects[window.slot(rank) - 1000] as Placed;
        seen.add(window.slot(rank));
        const { volume, offset, headLength, length, crc } = object;
        assert.deepEqual(window.place(rank), { volume, offset });
        assert.deepEqual(
          [window.volume(rank), window.start(rank), window.length(rank), window.crc(rank)],
          [volume, offset + headLength, length, crc],
        );
        assert.deepEqual(window.info(rank).full, new EntryInfo(new Entry(entryOf(object))));
        if (rank > 0 && window.volume(rank - 1) === volume) assert.ok(window.place(rank - 1).offset <= offset);
      }
      assert.equal(seen.size, objects.length);
      const volumes = Array.from({ length: window.count }, (_, rank) => window.volume(rank));
      const changes = volumes.filter((volume, rank) => rank > 0 && volume !== volumes[rank - 1]).length;
      assert.equal(changes, new Set(volumes).size - 1, 'each volume comes as a whole');
    }),
  );
});

test('what a batch says of a plain object is what a HEAD says of it', () => {
  fc.assert(
    fc.property(placed, (object) => {
      const bytes = entryOf(object);
      const window = new PlainWindow(new EntryArena(0));
      window.arena.keep(Buffer.alloc(13, 0xee), 13);
      window.add(5, window.arena.keep(bytes, bytes.length));
      const [info, expected] = [window.lastAdded, new EntryInfo(new Entry(bytes))];
      for (const field of ['size', 'etag', 'modifiedMs', 'crc32', 'contentType', 'partCount'] as const)
        assert.equal(info[field], expected[field], field);
      assert.deepEqual(info.attributes, expected.attributes);
      const room = Buffer.alloc(64);
      assert.equal(room.toString('latin1', 3, 3 + info.writeEtag(room, 3)), expected.etag);
    }),
  );
});

test('a full window of one place after another keeps them apart', () => {
  const window = new PlainWindow(new EntryArena(1));
  const at = (i: number): Placed => ({
    volume: 2 ** 20 - i, // each in a volume of its own, at the end of it
    offset: 2 ** 32 - RECORD_ALIGNMENT,
    headLength: 100,
    length: i + 1,
    crc: i,
    parts: 0,
    metadata: '',
  });
  for (let i = 0; i < PLAIN_WINDOW_MAX; i++) {
    const bytes = entryOf(at(i));
    window.add(i, window.arena.keep(bytes, bytes.length));
  }
  window.sortByPlace();
  for (let i = 0; i < PLAIN_WINDOW_MAX; i++) assert.equal(window.length(i), window.slot(i) + 1);
  assert.equal(new Set(Array.from({ length: PLAIN_WINDOW_MAX }, (_, i) => window.slot(i))).size, PLAIN_WINDOW_MAX);
});

test('what is coded, or lies in several records, is not plain', () => {
  const bytes = entryOf({ volume: 1, offset: 8, headLength: 99, length: 7, crc: 1, parts: 0, metadata: '' });
  const shifted = Buffer.concat([Buffer.from('xyz'), bytes]);
  assert.equal(isPlainAt(shifted, 3), true);
  const coded = { volume: 1, offset: 8, headLength: 99, length: 7, crc: 1, codec: 2, size: 9 };
  assert.equal(isPlainAt(withRecord(new Entry(bytes), coded, 1).bytes, 0), false);
  for (const kind of [RECORD_KIND.manifest, RECORD_KIND.partManifest]) {
    shifted[4] = kind;
    assert.equal(isPlainAt(shifted, 3), false);
  }
});
