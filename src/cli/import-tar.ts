/**
 * The files of a tar as objects. Small members are read into memory and sent side by side while the archive is read on; large
 * ones are sent as they come. A large member whose object has the same size is only compared as it passes; should it differ,
 * it is sent in a second pass over the archive, so that nothing is ever kept on disk.
 */
import { contentTypeOf } from './content-types.ts';
import { bytesMatch, etagCheck } from './file-digest.ts';
import type { ImportRun } from './import-run.ts';
import { keyFault, keyOfPath } from './key-mapping.ts';
import { RemoteIndex } from './remote-index.ts';
import { judge, type RemoteObject } from './sync-plan.ts';
import { type TarFile, tarFiles } from './tar-files.ts';
import { type Target, uploadStream } from './upload.ts';
import { forEachConcurrent } from './work-queue.ts';

/** Members up to this size are read into memory. */
const MEMBER_BYTES_MAX = 16 * 1024 * 1024;

interface SmallMember {
  readonly key: string;
  readonly bytes: Buffer;
  readonly giveBack: () => void;
  readonly remote: RemoteObject | undefined;
}

export async function importTar(run: ImportRun, path: string): Promise<void> {
  const { client, target, jobs, progress } = run;
  const index = new RemoteIndex(client, target.bucket, keyOfPath(target.key, ''));
  const again = new Set<string>();
  await forEachConcurrent(members(run, path, index, again), jobs, (member) => sendSmall(run, member));
  if (again.size > 0) await sendAgain(run, path, again);
  progress.tally.totalIsKnown = true;
}

/** Yields the small members; deals with the large ones while they pass. */
async function* members(
  run: ImportRun,
  path: string,
  index: RemoteIndex,
  again: Set<string>,
): AsyncGenerator<SmallMember> {
  const { report, progress, target, budget, terminal } = run;
  const onSkipped = (): void => {
    report.counts.skipped += 1;
  };
  for await (const file of tarFiles(path, { onSkipped })) {
    terminal.signal.throwIfAborted();
    progress.tally.total += 1;
    const key = keyOfPath(target.key, file.relativePath);
    const fault = keyFault(key);
    if (fault !== undefined) {
      settle(run, file.relativePath, new Error(fault));
      continue;
    }
    const remote = await index.find(key);
    if (file.size > MEMBER_BYTES_MAX) {
      await passLarge(run, file, key, remote, again);
      continue;
    }
    const giveBack = await budget.take(file.size);
    yield { key, bytes: await readMember(file), giveBack, remote };
  }
}

async function readMember(file: TarFile): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(file.size);
  let filled = 0;
  for await (const chunk of file.stream) filled += chunk.copy(bytes, filled);
  return bytes;
}

function settle({ progress, report, terminal }: ImportRun, name: string, error?: Error): void {
  progress.tally.done += 1;
  if (error === undefined) return;
  if (terminal.signal.aborted) throw error;
  progress.tally.failed += 1;
  report.fail(name, error);
}

function targetOf({ client, target }: ImportRun, key: string): Target {
  return { client, bucket: target.bucket, key, contentType: contentTypeOf(key) };
}

async function sendSmall(run: ImportRun, { key, bytes, giveBack, remote }: SmallMember): Promise<void> {
  let failure: Error | undefined;
  try {
    const verdict = judge(bytes.length, remote, run.options.sizeOnly === true);
    if (
      verdict === 'same' ||
      (verdict === 'compare' && remote !== undefined && bytesMatch(bytes, remote.etag, run.hashes))
    ) {
      run.report.counts.same += 1;
    } else {
      const target = targetOf(run, key);
      if (run.sender?.takes(bytes.length) === true) await run.sender.put(key, bytes, target.contentType);
      else await target.client.put(target.bucket, key, bytes, target);
      countSent(run, bytes.length);
      run.report.counts.moved += 1;
    }
  } catch (error) {
    failure = error as Error;
  } finally {
    giveBack();
  }
  settle(run, key, failure);
}

function countSent({ progress, report }: ImportRun, bytes: number): void {
  progress.tally.bytes += bytes;
  report.counts.movedBytes += bytes;
}

async function passLarge(
  run: ImportRun,
  file: TarFile,
  key: string,
  remote: RemoteObject | undefined,
  again: Set<string>,
): Promise<void> {
  const verdict = judge(file.size, remote, run.options.sizeOnly === true);
  if (verdict === 'missing' || verdict === 'different') {
    await sendLarge(run, file, key);
    return;
  }
  const check =
    verdict === 'compare' && remote !== undefined ? etagCheck(file.size, remote.etag, run.hashes) : undefined;
  if (check !== undefined) {
    for await (const chunk of file.stream) check.update(chunk);
    if (!check.matches()) {
      again.add(key);
      return;
    }
  }
  run.report.counts.same += 1;
  settle(run, key);
}

async function sendLarge(run: ImportRun, file: TarFile, key: string): Promise<void> {
  let failure: Error | undefined;
  try {
    await uploadStream(targetOf(run, key), file.stream, run.budget, (bytes) => countSent(run, bytes));
    run.report.counts.moved += 1;
  } catch (error) {
    failure = error as Error;
  }
  settle(run, key, failure);
  if (failure === undefined) return;
  for await (const _rest of file.stream); // the next member lies behind it
}

async function sendAgain(run: ImportRun, path: string, keys: ReadonlySet<string>): Promise<void> {
  for await (const file of tarFiles(path, { onSkipped: () => {} })) {
    const key = keyOfPath(run.target.key, file.relativePath);
    if (file.size > MEMBER_BYTES_MAX && keys.has(key)) await sendLarge(run, file, key);
  }
}
