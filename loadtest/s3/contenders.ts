/** Who takes turns in an S3 scenario: the target, and what it is compared with, another endpoint or nginx over the same files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { BenchError } from '../../bench/measure/options.ts';
import { familyOf } from '../../bench/measure/processes.ts';
import { startNginx } from '../../bench/rig/nginx.ts';
import type { DataSet } from '../suite/data-set.ts';
import type { RunRecorder } from '../suite/run-recorder.ts';
import type { ScenarioContext } from '../suite/scenario.ts';
import { openPeer, openTarget, type Target, type TargetContext } from '../suite/target.ts';
import { BUCKET, upload } from '../suite/upload.ts';

/** What nginx is set up for, less what it needs for itself. */
const NGINX_CONNECTIONS_MAX = 1000;

/** The target first. @param dataSets what the objects of a file server are; none: it cannot take part */
export async function openContenders(
  context: TargetContext & Pick<ScenarioContext, 'progress' | 'signal'>,
  dataSets: readonly DataSet[],
  connectionsMax: number,
): Promise<Target[]> {
  const { compare } = context.options;
  if (compare === 'nginx' && dataSets.length === 0)
    throw new BenchError('--compare nginx is for s3-get alone: it serves files, and stores nothing.');
  if (compare === 'nginx' && connectionsMax > NGINX_CONNECTIONS_MAX)
    throw new BenchError(`--compare nginx takes at most ${NGINX_CONNECTIONS_MAX} connections; give fewer.`);
  context.report.version('autocannon', autocannonVersion());
  const target = await openTarget(context);
  if (compare === '') return [target];
  const peer = compare === 'nginx' ? await openFileServer(context, dataSets, target) : openPeer(context, target);
  return [target, peer];
}

/** The same bytes under the same paths, as nginx is shipped: it opens a file for every request. */
async function openFileServer(
  { owned, report, cores, progress, signal }: TargetContext & Pick<ScenarioContext, 'progress' | 'signal'>,
  dataSets: readonly DataSet[],
  { credentials }: Target,
): Promise<Target> {
  const folder = owned.temporaryFolder(tmpdir());
  const files = join(folder, 'files');
  for (const dataSet of dataSets) {
    const phase = progress.phase('writing files for nginx', dataSet.count);
    for (let position = 0; position < dataSet.count; position += 1) {
      signal.throwIfAborted();
      const path = join(files, BUCKET, dataSet.keyOf(position));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, dataSet.bodyOf(position));
      phase.advance();
    }
    phase.end();
  }
  const nginx = await startNginx(owned, { folder, files, core: cores < 2 ? cores : 0, cores });
  const endpoint = new URL(`http://127.0.0.1:${nginx.plainPort}`);
  report.target({ name: 'nginx', endpoint: endpoint.origin, isOwn: true });
  const about = await owned.run('sh', ['-c', 'nginx -v 2>&1'], 'nginx-light', { env: NGINX_ENV });
  report.version('nginx', /nginx\/(\S+)/.exec(about)?.[1] ?? 'unknown');
  report.remark(
    'nginx serves the same bytes from files on the page cache, checks no signature, and is the floor of a static file.',
  );
  return {
    name: 'nginx',
    endpoint,
    credentials,
    pids: () => familyOf(nginx.child.pid as number),
    untilQuiet: () => Promise.resolve(),
    close: () => nginx.stop(),
  };
}

function autocannonVersion(): string {
  const load = createRequire(import.meta.url);
  return (load('autocannon/package.json') as { version: string }).version;
}

const NGINX_ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** To every one that stores. @param count only so many, from the first on */
export async function uploadToAll(
  targets: readonly Target[],
  dataSet: DataSet,
  { signal, progress }: Pick<ScenarioContext, 'progress' | 'signal'>,
  count = dataSet.count,
): Promise<void> {
  for (const target of targets) {
    if (target.name !== 'nginx') await upload(target, dataSet, BUCKET, { signal, progress, count });
  }
}

/** A second run finds them again. */
export function remarkLeft(report: RunRecorder, targets: readonly Target[]): void {
  const others = targets.filter((target) => target.pids().length === 0).map(({ name }) => name);
  if (others.length > 0)
    report.remark(`The objects stay in the bucket ${BUCKET} of ${others.join(' and ')}, for the next run.`);
}
