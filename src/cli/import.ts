/**
 * `penstock import PATH s3://bucket/prefix`: a folder, a tar or one file becomes objects. Promises: run again, it sends only
 * what is missing or different; one bad file does not stop the others; the bucket is made when it is not there.
 *
 * Hardest decision: how to know what is there. A folder is walked in the order of keys and joined with the listing as both
 * stream by, so that neither side is held in memory. A tar has its own order, so the listing is kept in a map, up to a bound,
 * and asked for one by one above it.
 */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { loadEntityHashes } from '../format/entity-hash.ts';
import { type BatchSender, chooseSender } from './batch-sender.ts';
import { resolveConnection, withConnection } from './connection.ts';
import { contentTypeOf } from './content-types.ts';
import { type ExitCode, usageError } from './exit.ts';
import { fileMatches } from './file-digest.ts';
import { resolveGrpcAddress } from './grpc-address.ts';
import type { ImportOptions, ImportRun } from './import-run.ts';
import { importTar } from './import-tar.ts';
import { keyFault, keyOfPath } from './key-mapping.ts';
import { type LocalFile, walkFiles } from './local-files.ts';
import { openClient } from './open-client.ts';
import { parseJobs } from './options.ts';
import { startProgress } from './progress.ts';
import { parseS3Address, type S3Address } from './s3-address.ts';
import type { S3Client } from './s3-client.ts';
import { joinByKey, judge, type Pair, type RemoteObject } from './sync-plan.ts';
import { isTarName } from './tar-files.ts';
import { printLine, runVerb, type Terminal } from './terminal.ts';
import { exitCodeOf, printSummary, TransferReport } from './transfer-report.ts';
import { uploadFile } from './upload.ts';
import { ByteBudget, forEachConcurrent } from './work-queue.ts';

/** Bytes of files in memory at once, for all jobs together. */
const MEMORY_BYTES = 256 * 1024 * 1024;
const JOBS_S3 = 32;
/** Over gRPC a file on its way is no connection, and many of them share a flush of the disk. */
const JOBS_GRPC = 256;

const EXAMPLES = `  penstock import ./scans s3://train                   every file below ./scans, as bucket train, key = path
  penstock import ./scans/ct s3://train/ct             keys ct/...
  penstock import tiles.tar.gz s3://train/tiles        what is in the archive (use \`put\` for the archive itself)
  penstock import ./scans s3://train --jobs 512        more at once, for a fast gateway far away

The bucket is made when it does not exist (--no-create refuses). Run it again to go on or to bring changes over: files of the
same size are compared by content, and only what is missing or different is sent. Nothing is ever deleted.

Files of up to 1 MiB go over gRPC, which is faster, when its address is given by --grpc or PENSTOCK_GRPC_ENDPOINT, or when the
gateway is the one at the default addresses. It must be the same gateway. Larger files, and everything else, go over S3.`;

export function register(program: Command): void {
  const command = program
    .command('import')
    .summary('send a folder or a tar')
    .description(
      'Send the files of a folder or a tar to a bucket; run again, it sends only what is missing or different.',
    )
    .argument('<PATH>', 'folder, .tar, .tar.gz or .tgz, or one file')
    .argument('<TARGET>', 's3://bucket or s3://bucket/prefix')
    .option('--jobs <N>', `files on their way at once (default: ${JOBS_S3}, over gRPC ${JOBS_GRPC})`, parseJobs)
    .option('--grpc <HOST:PORT>', 'gRPC address of the same gateway, for small files')
    .option('--no-grpc', 'send everything over S3')
    .option('--no-create', 'fail when the bucket does not exist')
    .option('--follow-links', 'follow symbolic links (default: leave them out and count them)')
    .option('--size-only', 'take files of the same size for the same, without reading them')
    .option('--json', 'print the summary as JSON');
  withConnection(command, EXAMPLES).action(async (path: string, target: string, options: ImportOptions) => {
    await runVerb((terminal) => importPath(path, target, options, terminal));
  });
}

export async function importPath(
  path: string,
  targetText: string,
  options: ImportOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const target = parseS3Address(targetText);
  const what = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw usageError(`${path} cannot be imported: ${error.code === 'ENOENT' ? 'it does not exist' : error.message}.`);
  });
  const hashes = await loadEntityHashes();
  const client = openClient(options, (options.jobs ?? JOBS_S3) + 2, terminal);
  let failure: Error | undefined;
  let sender: BatchSender | undefined;
  let run: ImportRun | undefined;
  try {
    await prepareBucket(client, target.bucket, options, terminal);
    sender = await openSender(client, target, options, terminal);
    const jobs = options.jobs ?? (sender === undefined ? JOBS_S3 : JOBS_GRPC);
    const progress = startProgress('import', terminal.stderr);
    const budget = new ByteBudget(MEMORY_BYTES);
    run = { client, target, options, report: new TransferReport(), progress, budget, terminal, hashes, jobs, sender };
    if (what.isDirectory()) await importFolder(run, path);
    else if (isTarName(path)) await importTar(run, path);
    else await importOne(run, path);
  } catch (error) {
    failure = error as Error;
  } finally {
    run?.progress.stop();
    await sender?.close();
    client.close();
  }
  if (run === undefined) throw failure ?? new Error('the import did not start');
  return endImport(run, failure);
}

async function openSender(
  client: S3Client,
  { bucket }: S3Address,
  options: ImportOptions,
  terminal: Terminal,
): Promise<BatchSender | undefined> {
  const connection = resolveConnection(options, terminal.env);
  const address = resolveGrpcAddress(options, connection.endpoint, terminal.env);
  const find = (key: string) => client.head(bucket, key);
  const { sender, text } = await chooseSender(address, connection, bucket, find, terminal.signal);
  await printLine(terminal.stderr, text);
  return sender;
}

async function endImport(
  { report, progress, options, terminal }: ImportRun,
  failure: Error | undefined,
): Promise<ExitCode> {
  const interrupted = terminal.signal.aborted;
  const skippedWhat = 'links and what is no ordinary file';
  if (failure !== undefined && !interrupted && report.isEmpty) throw failure;
  const facts = { moved: 'sent', elapsedMs: progress.elapsedMs(), interrupted, skippedWhat };
  await printSummary(terminal.stdout, report, facts, options.json === true);
  if (failure !== undefined && !interrupted) throw failure;
  return exitCodeOf(report, interrupted);
}

async function prepareBucket(
  client: S3Client,
  bucket: string,
  options: ImportOptions,
  terminal: Terminal,
): Promise<void> {
  if (!options.create) {
    if (await client.bucketExists(bucket)) return;
    throw usageError(
      `The bucket ${bucket} does not exist. Make it with \`penstock bucket create ${bucket}\`, or leave out --no-create.`,
    );
  }
  if (await client.createBucket(bucket)) await printLine(terminal.stderr, `made bucket ${bucket}`);
}

type KeyedFile = LocalFile & { readonly key: string };

async function* keyed(files: AsyncIterable<LocalFile>, prefix: string): AsyncGenerator<KeyedFile> {
  for await (const file of files) yield { ...file, key: keyOfPath(prefix, file.relativePath) };
}

async function importFolder(run: ImportRun, root: string): Promise<void> {
  const { client, target, report, progress, options, jobs } = run;
  const followLinks = options.followLinks === true;
  const files = walkFiles(root, followLinks, {
    onSkipped: () => {
      report.counts.skipped += 1;
    },
    onError: (path, error) => report.fail(path, error),
  });
  const counting = countFiles(root, followLinks, run);
  const prefix = keyOfPath(target.key, '');
  const pairs = joinByKey(keyed(files, target.key), client.objects(target.bucket, prefix));
  await forEachConcurrent(pairs, jobs, (pair) => importFile(run, pair));
  progress.tally.total = progress.tally.done;
  await counting;
}

/** A second walk that runs ahead and only counts, so that the time left can be told. */
async function countFiles(root: string, followLinks: boolean, { progress, terminal }: ImportRun): Promise<void> {
  const ignore = { onSkipped: () => {}, onError: () => {} };
  let counted = 0;
  try {
    for await (const _file of walkFiles(root, followLinks, ignore)) {
      counted += 1;
      progress.tally.total = Math.max(counted, progress.tally.done);
      if (terminal.signal.aborted) return;
    }
    progress.tally.totalIsKnown = true;
  } catch {
    // the walk that sends meets the same error and reports it
  }
}

async function importOne(run: ImportRun, path: string): Promise<void> {
  const { client, target, progress } = run;
  const name = basename(path);
  const key = keyOfPath(target.key, name);
  const remote = await client.head(target.bucket, key);
  progress.tally.total = 1;
  progress.tally.totalIsKnown = true;
  await importFile(run, {
    local: { key, path, relativePath: name },
    remote: remote === undefined ? undefined : { key, ...remote },
  });
}

async function importFile(run: ImportRun, { local, remote }: Pair<KeyedFile>): Promise<void> {
  const { report, progress, terminal } = run;
  terminal.signal.throwIfAborted();
  try {
    const { size } = await stat(local.path);
    if (await isThere(run, local, size, remote)) report.counts.same += 1;
    else await sendFile(run, local, size);
  } catch (error) {
    if (terminal.signal.aborted) throw error;
    progress.tally.failed += 1;
    report.fail(local.path, nameFault(local) ?? error);
  } finally {
    progress.tally.done += 1;
  }
}

/** Node shows a name that is not UTF-8 with U+FFFD in it, and then does not find the file. */
function nameFault({ relativePath }: KeyedFile): Error | undefined {
  return relativePath.includes('\ufffd') ? new Error('its name is not UTF-8; rename it') : undefined;
}

async function isThere(
  run: ImportRun,
  file: KeyedFile,
  size: number,
  remote: RemoteObject | undefined,
): Promise<boolean> {
  const verdict = judge(size, remote, run.options.sizeOnly === true);
  if (verdict === 'compare' && remote !== undefined) return fileMatches(file.path, size, remote.etag, run.hashes);
  return verdict === 'same';
}

async function sendFile(
  { client, target, report, progress, budget, sender }: ImportRun,
  file: KeyedFile,
  size: number,
): Promise<void> {
  const fault = keyFault(file.key);
  if (fault !== undefined) throw new Error(fault);
  const to = { client, bucket: target.bucket, key: file.key, contentType: contentTypeOf(file.relativePath), sender };
  await uploadFile(to, file.path, size, budget, (bytes) => {
    progress.tally.bytes += bytes;
    report.counts.movedBytes += bytes;
  });
  report.counts.moved += 1;
}
