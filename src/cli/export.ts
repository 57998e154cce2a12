/**
 * `penstock export s3://bucket/prefix PATH`: objects become files. Promises: a file appears under its name only when it is
 * whole and proven by its checksum; run again, it fetches only what is missing or different; no key writes outside of PATH
 * (`..`, empty parts and the like are refused and counted); nothing is ever deleted.
 */
import { lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type EntityHashes, loadEntityHashes } from '../format/entity-hash.ts';
import { type ConnectionOptions, withConnection } from './connection.ts';
import { type ExitCode, usageError } from './exit.ts';
import { fileMatches } from './file-digest.ts';
import { pathOfKey } from './key-mapping.ts';
import { openClient } from './open-client.ts';
import { parseJobs } from './options.ts';
import { type Progress, startProgress } from './progress.ts';
import { parseS3Address, type S3Address } from './s3-address.ts';
import type { S3Client } from './s3-client.ts';
import { judge, type RemoteObject } from './sync-plan.ts';
import { runVerb, type Terminal } from './terminal.ts';
import { exitCodeOf, printSummary, TransferReport } from './transfer-report.ts';
import { writeWhole } from './whole-file.ts';
import { forEachConcurrent } from './work-queue.ts';

export interface ExportOptions extends ConnectionOptions {
  readonly jobs: number;
  readonly sizeOnly?: boolean;
  readonly json?: boolean;
}

interface ExportRun {
  readonly client: S3Client;
  readonly source: S3Address;
  readonly folder: string;
  readonly options: ExportOptions;
  readonly report: TransferReport;
  readonly progress: Progress;
  readonly terminal: Terminal;
  readonly hashes: EntityHashes;
}

const EXAMPLES = `  penstock export s3://train ./scans            every object of the bucket, path = key
  penstock export s3://train/ct ./ct            the keys ct/..., without ct/
  penstock export s3://train ./scans --json     the summary as JSON

Run it again to go on or to bring changes over: files of the same size are compared by content. Keys that have no safe file name
("..", "a//b") are refused and counted as failures; keys that end in "/" are left out. Nothing is ever deleted.`;

export function register(program: Command): void {
  const command = program
    .command('export')
    .summary('fetch objects into a folder')
    .description(
      'Fetch the objects of a bucket into a folder; run again, it fetches only what is missing or different.',
    )
    .argument('<SOURCE>', 's3://bucket or s3://bucket/prefix')
    .argument('<PATH>', 'folder, made when it does not exist')
    .option('--jobs <N>', 'objects on their way at once', parseJobs, 32)
    .option('--size-only', 'take files of the same size for the same, without reading them')
    .option('--json', 'print the summary as JSON');
  withConnection(command, EXAMPLES).action(async (source: string, path: string, options: ExportOptions) => {
    await runVerb((terminal) => exportTo(source, path, options, terminal));
  });
}

export async function exportTo(
  sourceText: string,
  folder: string,
  options: ExportOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const source = parseS3Address(sourceText);
  await mkdir(folder, { recursive: true }).catch((error: Error) => {
    throw usageError(`${folder} cannot be used as a folder: ${error.message}.`);
  });
  const hashes = await loadEntityHashes();
  const client = openClient(options, options.jobs + 2, terminal);
  const progress = startProgress('export', terminal.stderr);
  const run: ExportRun = { client, source, folder, options, report: new TransferReport(), progress, terminal, hashes };
  let failure: Error | undefined;
  try {
    const counting = countObjects(run);
    await forEachConcurrent(objectsBelow(run), options.jobs, (object) => exportObject(run, object));
    await counting;
  } catch (error) {
    failure = error as Error;
  } finally {
    progress.stop();
    client.close();
  }
  return endExport(run, failure);
}

async function endExport(
  { report, progress, options, terminal }: ExportRun,
  failure: Error | undefined,
): Promise<ExitCode> {
  const interrupted = terminal.signal.aborted;
  if (failure !== undefined && !interrupted && report.isEmpty) throw failure;
  const facts = { moved: 'fetched', elapsedMs: progress.elapsedMs(), interrupted, skippedWhat: 'keys that end in "/"' };
  await printSummary(terminal.stdout, report, facts, options.json === true);
  if (failure !== undefined && !interrupted) throw failure;
  return exitCodeOf(report, interrupted);
}

/** `ct` means the object ct and everything below ct/, and not ct2/. */
async function* objectsBelow({ client, source }: ExportRun): AsyncGenerator<RemoteObject> {
  const { bucket, key } = source;
  const whole = key === '' || key.endsWith('/');
  for await (const object of client.objects(bucket, key)) {
    if (whole || object.key === key || object.key.startsWith(`${key}/`)) yield object;
  }
}

async function countObjects(run: ExportRun): Promise<void> {
  const { progress } = run;
  let counted = 0;
  try {
    for await (const _object of objectsBelow(run)) {
      counted += 1;
      progress.tally.total = Math.max(counted, progress.tally.done);
    }
    progress.tally.totalIsKnown = true;
  } catch {
    // the listing that fetches meets the same error and reports it
  }
}

async function exportObject(run: ExportRun, object: RemoteObject): Promise<void> {
  const { report, progress, terminal, source } = run;
  terminal.signal.throwIfAborted();
  const path = pathOfKey(source.key, object.key);
  try {
    if (path.kind === 'folder') report.counts.skipped += 1;
    else if (path.kind === 'refused') throw new Error(path.why);
    else await bringOver(run, object, join(run.folder, ...path.segments));
  } catch (error) {
    if (terminal.signal.aborted) throw error;
    progress.tally.failed += 1;
    report.fail(object.key, error);
  } finally {
    progress.tally.done += 1;
  }
}

async function bringOver(run: ExportRun, object: RemoteObject, path: string): Promise<void> {
  if (await isThere(run, object, path)) {
    run.report.counts.same += 1;
    return;
  }
  const { client, source, report, progress } = run;
  const body = await client.get(source.bucket, object.key);
  await writeWhole(path, body, (bytes) => {
    progress.tally.bytes += bytes;
    report.counts.movedBytes += bytes;
  });
  report.counts.moved += 1;
}

async function isThere({ options, hashes }: ExportRun, object: RemoteObject, path: string): Promise<boolean> {
  const there = await lstat(path).catch(() => undefined);
  if (there === undefined || !there.isFile()) return false;
  const verdict = judge(there.size, object, options.sizeOnly === true);
  if (verdict === 'compare') return fileMatches(path, there.size, object.etag, hashes);
  return verdict === 'same';
}
