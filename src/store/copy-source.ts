/** The source of a copy: found, checked against its conditions, and read as chunks. */
import { checkReadConditions } from '../base/conditions.ts';
import { GatewayError } from '../base/errors.ts';
import type { CopySource } from '../base/object-store.ts';
import { type Entry, EntryInfo } from '../format/index-entry.ts';
import type { Manifest } from '../format/manifest.ts';
import { dataLossOf } from './data-loss.ts';
import { extentBody } from './extent-body.ts';
import { findEntry, type LocalEngine, manifestOf } from './local-engine.ts';
import { VolumeGone } from './record-reader.ts';

export interface FoundSource {
  readonly bucketId: number;
  readonly entry: Entry;
  readonly info: EntryInfo;
}

/** @throws GatewayError NoSuchBucket, NoSuchKey, PreconditionFailed */
export function findSource(engine: LocalEngine, source: CopySource): FoundSource {
  const bucketId = engine.buckets.get(source.bucket).id;
  const entry = findEntry(engine, bucketId, source.key);
  if (entry === undefined) {
    throw new GatewayError('NoSuchKey', undefined, {
      resource: `/${source.bucket}/${source.key}`,
      details: { Key: source.key },
    });
  }
  const info = new EntryInfo(entry);
  // S3 has no 304 for copies.
  if (source.conditions !== undefined && checkReadConditions(source.conditions, info) === 'not-modified') {
    throw new GatewayError('PreconditionFailed', 'The source of the copy has not changed.');
  }
  return { bucketId, entry, info };
}

/** The bytes `start` to `end` of a source. */
export async function copiedChunks(
  engine: LocalEngine,
  source: CopySource,
  found: FoundSource,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<{ chunks: AsyncIterable<Buffer>; manifest: Manifest }> {
  const renew = async (): Promise<Manifest> => {
    const again = findSource(engine, source);
    if (!again.entry.versionId.equals(found.entry.versionId))
      throw new GatewayError('ConditionalRequestConflict', 'The source was replaced while it was copied.');
    return manifestOf(engine, again.entry);
  };
  const resource = `/${source.bucket}/${source.key}`;
  const manifest = await manifestOf(engine, found.entry)
    .catch((error: unknown) => {
      if (error instanceof VolumeGone) return renew();
      throw error;
    })
    .catch((error: unknown) => {
      throw dataLossOf(error, resource);
    });
  return { manifest, chunks: extentBody(engine.reader, manifest, start, end, renew, resource, signal) };
}
