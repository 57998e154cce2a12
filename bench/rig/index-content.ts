/** What the index benchmarks put into an index: keys like those of a training set, and entries as the store makes them. */
import { randomBytes } from 'node:crypto';
import type { ObjectKey } from '../../src/base/names.ts';
import { encodeAttributes } from '../../src/format/attributes.ts';
import { encodeEntry } from '../../src/format/index-entry.ts';
import { indexKey } from '../../src/format/index-key.ts';
import { headLength, RECORD_KIND, type RecordHead, recordHead, recordLength } from '../../src/format/record.ts';
import type { BucketState, IndexDatabase } from '../../src/store/index-database.ts';

export const BUCKET: BucketState = {
  id: 1,
  name: 'training',
  createdMs: 0,
  ownerId: '0'.repeat(64),
  settings: { acl: 'private' },
  timestamp: 1,
};
export const PAYLOAD_BYTES = 16 * 1024;

const DIGESTS = randomBytes(4096);
const VERSIONS = randomBytes(4096);
/** What SDKs of today send with every object, and the gateway keeps. */
const CHECKED = { checksum: { algorithm: 'CRC32', value: 'y/U6QA==', type: 'FULL_OBJECT' } } as const;

/** 35 characters, in the order of their numbers. */
export function keyAt(position: number): ObjectKey {
  const study = String(Math.floor(position / 500)).padStart(7, '0');
  return `studies/${study}/slice_${String(position).padStart(9, '0')}.dcm` as ObjectKey;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** A fixed shuffle of 0..count-1 that needs no memory: a step that has no divisor in common with the count. */
export function shuffledPosition(step: number, count: number): number {
  let stride = Math.floor(count * 0.618) | 1;
  while (gcd(stride, count) !== 1) stride += 2;
  return Number((BigInt(step) * BigInt(stride)) % BigInt(count));
}

export function attributesWith(checksums: boolean): Buffer {
  return encodeAttributes('application/dicom', checksums ? CHECKED : {});
}

export function headAt(position: number, attributes: Buffer): RecordHead {
  const place = (position * 16) % 4080;
  return recordHead({
    kind: RECORD_KIND.object,
    payloadLength: PAYLOAD_BYTES,
    payloadCrc: position >>> 0,
    size: PAYLOAD_BYTES,
    modifiedMs: 1_763_942_400_000 + position,
    timestamp: (1_763_942_400_000 + position) * 1024,
    bucketId: BUCKET.id,
    digest: DIGESTS.subarray(place, place + 16),
    versionId: VERSIONS.subarray(place, place + 8),
    key: Buffer.from(keyAt(position)),
    attributes,
  });
}

/** Records one behind the other in volumes of about 4 GiB. */
export function placeOf(position: number, head: RecordHead): { volume: number; offset: number; headLength: number } {
  const bytes = headLength(head.key.length, head.attributes.length);
  const length = recordLength(bytes, head.payloadLength);
  const inVolume = Math.floor(2 ** 32 / length);
  return {
    volume: 1 + Math.floor(position / inVolume),
    offset: 8192 + (position % inVolume) * length,
    headLength: bytes,
  };
}

/** Puts one entry, within a transaction. */
export function insertAt(index: IndexDatabase, position: number, attributes: Buffer): void {
  const head = headAt(position, attributes);
  index.objects.putSync(indexKey(BUCKET.id, head.key), encodeEntry(head, placeOf(position, head), 0, undefined));
}
