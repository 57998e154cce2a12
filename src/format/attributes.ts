/**
 * What a client said about an object, as bytes beside its key in record and index: one byte with the length of the content
 * type, the content type, then, where there is more, a checksum (one byte of algorithm and form, 0 for none; u16 of parts in the
 * form that has them; the digest) and JSON of the rest. Content type and checksum stand apart because most objects have them: as
 * JSON a CRC-32 would take 70 bytes of every index entry instead of 5.
 */
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { ChecksumAlgorithm, ObjectAttributes, StoredChecksum } from '../base/object-info.ts';

/** JSON names are stored; `upload` is the upload that made the object. */
export interface AttributesOnDisk extends ObjectAttributes {
  readonly upload?: string;
}

/** Numbers are stored; append only. */
const ALGORITHMS: readonly (ChecksumAlgorithm | undefined)[] = [
  undefined,
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
];
const DIGEST_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};
const ALGORITHM_MASK = 0x0f;
const COMPOSITE = 0x10;
const WITH_PARTS = 0x20;
const NO_CHECKSUM = Buffer.from([0]);
const VALUE = /^([A-Za-z0-9+/]+=*)(?:-([1-9]\d{0,4}))?$/;

const EMPTY: AttributesOnDisk = Object.freeze({});

/** @throws GatewayError MetadataTooLarge */
export function encodeAttributes(contentType: string | undefined, attributes: AttributesOnDisk): Buffer {
  const type = Buffer.from(contentType ?? '', 'latin1');
  if (type.length > 255)
    throw new GatewayError('InvalidArgument', `Content-Type has ${type.length} bytes; at most 255 are kept.`);
  const { checksum, ...others } = attributes;
  const compact = checksum === undefined ? NO_CHECKSUM : compactChecksum(checksum);
  const rest = compact === undefined ? attributes : others;
  const json = isEmpty(rest) ? '' : JSON.stringify(rest);
  const hasMore = json !== '' || (compact !== undefined && compact !== NO_CHECKSUM);
  const more = hasMore ? [compact ?? NO_CHECKSUM, Buffer.from(json)] : [];
  const bytes = Buffer.concat([Buffer.from([type.length]), type, ...more]);
  if (bytes.length > LIMITS.recordAttributesBytesMax) {
    throw new GatewayError(
      'MetadataTooLarge',
      `Headers and metadata have ${bytes.length} bytes; at most ${LIMITS.recordAttributesBytesMax} are kept.`,
    );
  }
  return bytes;
}

function isEmpty(attributes: object): boolean {
  for (const name in attributes) if (attributes[name as keyof typeof attributes] !== undefined) return false;
  return true;
}

export function contentTypeOf(bytes: Buffer): string | undefined {
  const length = bytes[0] ?? 0;
  return length === 0 ? undefined : bytes.toString('latin1', 1, 1 + length);
}

export function attributesOf(bytes: Buffer): AttributesOnDisk {
  const start = 1 + (bytes[0] ?? 0);
  if (start >= bytes.length) return EMPTY;
  const form = bytes[start] as number;
  const algorithm = ALGORITHMS[form & ALGORITHM_MASK];
  if (algorithm === undefined) return JSON.parse(bytes.toString('utf8', start + 1)) as AttributesOnDisk;
  const digestStart = start + ((form & WITH_PARTS) === 0 ? 1 : 3);
  const end = digestStart + DIGEST_BYTES[algorithm];
  const digest = bytes.toString('base64', digestStart, end);
  const value = digestStart === start + 1 ? digest : `${digest}-${bytes.readUInt16LE(start + 1)}`;
  const checksum: StoredChecksum = { algorithm, value, type: (form & COMPOSITE) === 0 ? 'FULL_OBJECT' : 'COMPOSITE' };
  if (end === bytes.length) return { checksum };
  return { ...(JSON.parse(bytes.toString('utf8', end)) as AttributesOnDisk), checksum };
}

/** `undefined` for a value of another form than that of its algorithm: it stays in the JSON, as it was said. */
function compactChecksum({ algorithm, value, type }: StoredChecksum): Buffer | undefined {
  const match = VALUE.exec(value);
  const digest = Buffer.from(match?.[1] ?? '', 'base64');
  const parts = match?.[2] === undefined ? undefined : Number(match[2]);
  if (digest.length !== DIGEST_BYTES[algorithm] || digest.toString('base64') !== match?.[1] || (parts ?? 0) > 0xffff)
    return undefined;
  const form =
    ALGORITHMS.indexOf(algorithm) | (type === 'COMPOSITE' ? COMPOSITE : 0) | (parts === undefined ? 0 : WITH_PARTS);
  const head = Buffer.alloc(parts === undefined ? 1 : 3);
  head[0] = form;
  if (parts !== undefined) head.writeUInt16LE(parts, 1);
  return Buffer.concat([head, digest]);
}
