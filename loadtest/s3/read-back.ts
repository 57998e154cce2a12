/** That what was acknowledged is there, with the bytes that were sent; and that nothing of it is left at an endpoint that is somebody's. */
import { crc32 } from '@node-rs/crc32';
import { S3ReplyError } from '../../src/cli/exit.ts';
import type { S3Client } from '../../src/cli/s3-client.ts';
import type { RunRecorder } from '../suite/run-recorder.ts';
import { addErrors, type LoadErrors, NO_ERRORS } from '../suite/run-report.ts';
import type { Target } from '../suite/target.ts';
import { BUCKET, openS3Client } from '../suite/upload.ts';
import type { Written } from './put-source.ts';

const READERS = 4;
const DELETED_AT_ONCE = 1000;
const CLEAN_UP_MS_MAX = 120_000;

async function judge(client: S3Client, { key, bytes, crc }: Written): Promise<LoadErrors> {
  try {
    const { chunks } = await client.get(BUCKET, key);
    let [seen, sum] = [0, 0];
    for await (const chunk of chunks) {
      seen += chunk.length;
      sum = crc32(chunk, sum);
    }
    if (seen < bytes) return { ...NO_ERRORS, short: 1 };
    return seen === bytes && sum === crc ? NO_ERRORS : { ...NO_ERRORS, wrong: 1 };
  } catch (error) {
    return { ...NO_ERRORS, [error instanceof S3ReplyError ? 'refused' : 'wrong']: 1 };
  }
}

/** @returns what was not as it should be: missing ones count as refused */
export async function readBack(target: Target, written: readonly Written[], signal: AbortSignal): Promise<LoadErrors> {
  const client = openS3Client(target, READERS, signal);
  const left = written.values();
  const reader = async (): Promise<LoadErrors> => {
    let errors = NO_ERRORS;
    for (const one of left) errors = addErrors(errors, await judge(client, one));
    return errors;
  };
  try {
    return (await Promise.all(Array.from({ length: READERS }, reader))).reduce(addErrors, NO_ERRORS);
  } finally {
    client.close();
  }
}

/**
 * Deletes what stands under these prefixes of the load test's bucket, at endpoints that the run did not start; those that it did start go as a
 * whole. After Ctrl-C too: it is the user's store that it tidies.
 */
export async function cleanUp(
  report: RunRecorder,
  targets: readonly Target[],
  prefixes: readonly string[],
): Promise<void> {
  const others = targets.filter((target) => target.pids().length === 0);
  for (const target of others) {
    const client = openS3Client(target, 1, AbortSignal.timeout(CLEAN_UP_MS_MAX));
    try {
      for (const prefix of prefixes) await removeAll(client, prefix);
    } catch (error) {
      const about = error instanceof Error ? error.message : String(error);
      report.remark(
        `Objects under ${BUCKET}/${prefixes.join(', ')} of ${target.name} could not all be deleted: ${about}`,
      );
    } finally {
      client.close();
    }
  }
}

async function removeAll(client: S3Client, prefix: string): Promise<void> {
  let keys: string[] = [];
  for await (const { key } of client.objects(BUCKET, `${prefix}/`)) {
    keys.push(key);
    if (keys.length < DELETED_AT_ONCE) continue;
    await client.removeMany(BUCKET, keys);
    keys = [];
  }
  await client.removeMany(BUCKET, keys);
}
