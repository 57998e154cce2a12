/**
 * Brings a data set to a target by signed PUTs, and leaves what is there already with the same size and ETag. Promises: it holds at most as
 * many bodies as it has PUTs under way; when it resolves, every object is stored and the target has no work left from it.
 */
import { createHash } from 'node:crypto';
import { S3Client } from '../../src/cli/s3-client.ts';
import { S3Transport } from '../../src/cli/s3-transport.ts';
import type { DataSet } from './data-set.ts';
import type { Progress } from './progress.ts';
import type { Target } from './target.ts';

export const BUCKET = 'penstock-loadtest';

export interface UploadOptions {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** PUTs under way at once; 16 by default, and one where bodies are large. */
  readonly puts?: number;
  /** Only the first so many objects of the set; default: all. */
  readonly count?: number;
}

export interface Uploaded {
  readonly objects: number;
  /** Were there already, whole and the same. */
  readonly skipped: number;
}

const PUTS = 16;
/** Of all bodies under way. */
const BYTES_AT_ONCE = 256 * 2 ** 20;

/** Opens a client of the target's S3 front; close it. */
export function openS3Client({ endpoint, credentials }: Target, connections: number, signal: AbortSignal): S3Client {
  return new S3Client(new S3Transport({ endpoint, ...credentials }, { connections, signal }));
}

/** Does nothing where it is there already. */
export async function makeBucket(target: Target, signal: AbortSignal): Promise<void> {
  const client = openS3Client(target, 1, signal);
  await client.createBucket(BUCKET).finally(() => client.close());
}

/** @throws CliError or S3ReplyError, or what the signal was aborted with */
export async function upload(
  target: Target,
  dataSet: DataSet,
  bucket: string,
  { signal, progress, puts = PUTS, count = dataSet.count }: UploadOptions,
): Promise<Uploaded> {
  const parallel = Math.max(1, Math.min(puts, Math.floor(BYTES_AT_ONCE / Math.max(1, dataSet.sizeMax))));
  const client = openS3Client(target, parallel, signal);
  const phase = progress.phase(`uploading to ${target.name}`, count);
  let [next, skipped] = [0, 0];
  try {
    const isNew = await client.createBucket(bucket);
    const there = isNew ? new Map<string, string>() : await etagsOf(client, bucket, dataSet);
    const sender = async (): Promise<void> => {
      for (let i = next++; i < count; i = next++) {
        signal.throwIfAborted();
        if (await sendOne(client, bucket, dataSet, i, there)) skipped += 1;
        phase.advance();
      }
    };
    await Promise.all(Array.from({ length: parallel }, sender));
  } finally {
    phase.end();
    client.close();
  }
  await target.untilQuiet();
  return { objects: count, skipped };
}

/** @returns whether it was there already */
async function sendOne(
  client: S3Client,
  bucket: string,
  dataSet: DataSet,
  position: number,
  there: ReadonlyMap<string, string>,
): Promise<boolean> {
  const key = dataSet.keyOf(position);
  const body = dataSet.bodyOf(position);
  const known = there.get(key);
  if (known !== undefined && known === `${body.length} ${createHash('md5').update(body).digest('hex')}`) return true;
  await client.put(bucket, key, body, { contentType: 'application/octet-stream' });
  return false;
}

/** Size and ETag by key, of what stands under the prefix of the set: at most as many as it has objects. */
async function etagsOf(client: S3Client, bucket: string, { spec, count }: DataSet): Promise<Map<string, string>> {
  const etags = new Map<string, string>();
  for await (const { key, size, etag } of client.objects(bucket, `${spec.prefix}/`)) {
    etags.set(key, `${size} ${etag}`);
    if (etags.size >= count) break;
  }
  return etags;
}
