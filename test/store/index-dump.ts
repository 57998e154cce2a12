/** Everything that an index says, in a form that two indexes can be compared in. */
import assert from 'node:assert/strict';
import { Entry } from '../../src/format/index-entry.ts';
import { decodeManifest, type Location } from '../../src/format/manifest.ts';
import { IndexDatabase } from '../../src/store/index-database.ts';
import { indexFolder } from '../../src/store/store-root.ts';
import { VolumeReader } from '../../src/store/volume-reader.ts';

/**
 * Objects, uploads, parts, buckets, and end and live bytes of the volumes. Left out is what a rebuild may answer differently:
 * graves and sessions (they are forgotten), the owner of a volume (all are sealed), its `oldest` (a rebuild also counts extents),
 * and the clock (the live one also counts timestamps of writes that failed).
 */
export interface IndexDump {
  objects: Record<string, object>;
  parts: Record<string, object>;
  uploads: Record<string, string>;
  buckets: object[];
  volumes: object[];
  nextBucket: number | undefined;
}

export async function dumpIndex(root: string): Promise<IndexDump> {
  const index = IndexDatabase.open(indexFolder(root), 'read');
  const reader = new VolumeReader(root);
  try {
    return {
      objects: entries(index, reader, 'objects'),
      parts: entries(index, reader, 'parts'),
      uploads: Object.fromEntries(
        [...index.range('uploads', Buffer.from([0]), undefined)].map(({ key, value }) => [hex(key), hex(value)]),
      ),
      buckets: index.buckets().sort((a, b) => a.id - b.id),
      volumes: index
        .volumes()
        .map(({ id, uuid, end, live }) => ({ id, uuid, end, live }))
        // A volume without a record: granted and never written to.
        .filter(({ end }) => end > 8192),
      nextBucket: index.number('next-bucket'),
    };
  } finally {
    reader.close();
    await index.close();
  }
}

function entries(index: IndexDatabase, reader: VolumeReader, table: 'objects' | 'parts'): Record<string, object> {
  const all: Record<string, object> = {};
  for (const { key, value } of index.range(table, Buffer.from([0]), undefined)) {
    const entry = new Entry(value);
    all[hex(key)] = { bytes: hex(value), extents: entry.isManifest ? extentsOf(reader, entry.record) : undefined };
  }
  return all;
}

function extentsOf(reader: VolumeReader, at: Location): readonly Location[] | string {
  try {
    return decodeManifest(reader.readNow(at)).extents;
  } catch (error) {
    return String(error);
  }
}

function hex(bytes: Buffer): string {
  return bytes.toString('hex');
}

/**
 * The dump without places. A crash in the middle of compaction leaves equal copies of one record in two volumes; the old index
 * points to the one, a new one may point to the other. The live bytes of all volumes together stay what they were.
 */
export function withoutPlaces(dump: IndexDump): IndexDump {
  const volumes = dump.volumes as { id: number; uuid: string; end: number; live: number }[];
  return {
    ...dump,
    objects: placeless(dump.objects),
    parts: placeless(dump.parts),
    volumes: [...volumes.map(({ live: _, ...rest }) => rest), { live: volumes.reduce((sum, v) => sum + v.live, 0) }],
  };
}

function placeless(entries: Record<string, object>): Record<string, object> {
  return Object.fromEntries(
    Object.entries(entries as Record<string, DumpedEntry>).map(([key, { bytes, extents }]) => {
      const copy = Buffer.from(bytes, 'hex');
      const { payload, isManifest } = new Entry(copy);
      copy.fill(0, 4, 16);
      if (isManifest && payload !== undefined) copy.fill(0, 80, 104);
      const lengths = Array.isArray(extents) ? extents.map(({ length, crc }: Location) => ({ length, crc })) : extents;
      return [key, { bytes: copy.toString('hex'), extents: lengths }];
    }),
  );
}

interface DumpedEntry {
  readonly bytes: string;
  readonly extents: readonly Location[] | string | undefined;
}

/** Fails with the few entries that differ, shortened: whole dumps are unreadable. */
export function sameIndex(actual: IndexDump, expected: IndexDump): void {
  const differences: string[] = [];
  for (const section of Object.keys(expected) as (keyof IndexDump)[]) {
    const [a, b] = [lines(actual[section]), lines(expected[section])];
    for (const key of new Set([...a.keys(), ...b.keys()])) {
      if (a.get(key) === b.get(key)) continue;
      differences.push(`${section} ${key}: ${short(a.get(key))} instead of ${short(b.get(key))}`);
    }
  }
  assert.equal(differences.slice(0, 10).join('\n'), '', `${differences.length} entries of the index differ`);
}

function lines(section: unknown): Map<string, string> {
  if (typeof section !== 'object' || section === null) return new Map([['', String(section)]]);
  return new Map(
    Object.entries(section).map(([key, value]) => [
      Array.isArray(section) ? nameOf(value, key) : key,
      JSON.stringify(value),
    ]),
  );
}

function nameOf(value: { id?: number }, position: string): string {
  return value.id === undefined ? position : `#${value.id}`;
}

function short(text: string | undefined): string {
  if (text === undefined) return 'absent';
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
