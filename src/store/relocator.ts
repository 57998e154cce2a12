/**
 * Points the index at the copies that compaction made, inside one transaction of the keeper. A record that an entry points to
 * is repointed only if the entry still points there; a manifest whose extents moved is written anew, since its payload names
 * places. Size, ETag, version and time of the objects stay what they were.
 */
import { crc32 } from '@node-rs/crc32';
import { type Entry, withClass, withRecord } from '../format/index-entry.ts';
import { encodeManifest, type Location, type Manifest } from '../format/manifest.ts';
import { RECORD_KIND, type RecordHead, recordHead } from '../format/record.ts';
import type { IndexDatabase } from './index-database.ts';

/** An entry that may point to moved bytes. */
export interface MovedOwner {
  readonly table: 'objects' | 'parts';
  /** Its key in the table. */
  readonly indexKey: Buffer;
  readonly bucketId: number;
  readonly key: Buffer;
}

/** The volume that copies go to (`OutputVolume`). */
export interface MoveOutput {
  append(head: RecordHead, payload: Buffer): Location;
  commit(tools: RelocationTools): void;
}

export interface RelocationTools {
  readonly index: IndexDatabase;
  readonly readManifest: (location: Location) => Manifest;
  /** Writes a record to the volume of the copies and applies it. */
  readonly write: (head: RecordHead, payload: Buffer, manifest: Manifest) => void;
  /** Of records that the index keeps without pointing to them. */
  readonly addLive: (volume: number, bytes: number) => void;
  /** See `Applier.replace`. */
  readonly replace: (table: 'objects' | 'parts', key: Buffer, before: Entry, after: Entry) => void;
  readonly keepDictionary: (id: number, location: Location) => void;
}

export function placeId(location: Pick<Location, 'volume' | 'offset'>): string {
  return `${location.volume}:${location.offset}`;
}

/** The entry's own record moved, and may be coded there. `contentClass` where it was found out. */
export function repointRecord(
  tools: RelocationTools,
  owner: MovedOwner,
  from: Location,
  to: Location,
  contentClass?: number,
): void {
  const entry = tools.index.entry(owner.table, owner.indexKey);
  if (entry === undefined || placeId(entry.record) !== placeId(from)) return;
  tools.replace(owner.table, owner.indexKey, entry, withRecord(entry, to, contentClass ?? entry.class));
}

/** The entry's record stays where it is, and what it holds is known now. */
export function classify(tools: RelocationTools, owner: MovedOwner, at: Location, contentClass: number): void {
  const entry = tools.index.entry(owner.table, owner.indexKey);
  if (entry === undefined || placeId(entry.record) !== placeId(at)) return;
  tools.replace(owner.table, owner.indexKey, entry, withClass(entry, contentClass));
}

/** Extents of the entry's manifest moved; `moved` maps old places to new ones. False when none of them is the entry's any more. */
export function repointExtents(
  tools: RelocationTools,
  owner: MovedOwner,
  moved: ReadonlyMap<string, Location>,
  contentClass?: number,
): boolean {
  const entry = tools.index.entry(owner.table, owner.indexKey);
  if (entry === undefined || !entry.isManifest) return false;
  const manifest = tools.readManifest(entry.record);
  const extents = manifest.extents.map((extent) => moved.get(placeId(extent)) ?? extent);
  if (extents.every((extent, i) => extent === manifest.extents[i])) return false;
  const renewed = { extents, parts: manifest.parts };
  const payload = encodeManifest(renewed);
  tools.write(headOf(entry, owner, payload, contentClass ?? entry.class), payload, renewed);
  return true;
}

function headOf(entry: Entry, owner: MovedOwner, payload: Buffer, contentClass: number): RecordHead {
  const isPart = owner.table === 'parts';
  return recordHead({
    kind: isPart ? RECORD_KIND.partManifest : RECORD_KIND.manifest,
    class: contentClass,
    payloadLength: payload.length,
    payloadCrc: crc32(payload),
    size: entry.size,
    modifiedMs: entry.modifiedMs,
    bucketId: owner.bucketId,
    part: isPart ? entry.partCount : 0,
    digest: entry.digest,
    etagParts: entry.etagParts,
    versionId: entry.versionId,
    key: owner.key,
    attributes: entry.attributeBytes,
  });
}

/** Does the entry keep the record at a place alive, as its own record or as an extent? */
export function keepsAlive(entry: Entry, at: Location, readManifest: (location: Location) => Manifest): boolean {
  const id = placeId(at);
  if (placeId(entry.record) === id) return true;
  if (!entry.isManifest) return false;
  const single = entry.payload;
  if (single !== undefined) return placeId(single) === id;
  return readManifest(entry.record).extents.some((extent) => placeId(extent) === id);
}
