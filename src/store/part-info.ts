/** Parts of an upload or of a completed object, between the store's bytes and the contract's words. */
import type { ChecksumAlgorithm, PartInfo, StoredChecksum } from '../base/object-info.ts';
import type { Entry } from '../format/index-entry.ts';
import type { ManifestPart } from '../format/manifest.ts';

export function partInfo(part: ManifestPart, number: number): PartInfo {
  return {
    number,
    size: part.size,
    etag: part.digest.toString('hex'),
    modifiedMs: part.modifiedMs,
    checksum:
      part.checksum === undefined
        ? undefined
        : { algorithm: part.checksum.algorithm, value: part.checksum.digest.toString('base64'), type: 'FULL_OBJECT' },
  };
}

/** The part that an entry of the parts table stands for. */
export function partInfoOf(entry: Entry): PartInfo {
  return {
    number: entry.partCount,
    size: entry.size,
    etag: entry.etag,
    modifiedMs: entry.modifiedMs,
    checksum: entry.attributes.checksum,
  };
}

export function manifestPart(part: PartInfo): ManifestPart {
  return {
    number: part.number,
    size: part.size,
    modifiedMs: part.modifiedMs,
    digest: Buffer.from(part.etag.slice(0, 32), 'hex'),
    checksum: part.checksum === undefined ? undefined : digestOf(part.checksum),
  };
}

function digestOf(checksum: StoredChecksum): { algorithm: ChecksumAlgorithm; digest: Buffer } {
  return { algorithm: checksum.algorithm, digest: Buffer.from(checksum.value, 'base64') };
}
