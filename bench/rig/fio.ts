/** fio as the floor of durable writes: appends to a growing file, each followed by fdatasync, as a volume is written. */
import type { Belongings } from '../measure/belongings.ts';
import { BenchError } from '../measure/options.ts';

export interface FioResult {
  readonly writesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly syncP50Ms: number;
  readonly syncP99Ms: number;
}

interface FioJob {
  readonly error: number;
  readonly write: { readonly iops: number; readonly bw_bytes: number };
  readonly sync?: { readonly lat_ns: { readonly percentile?: Readonly<Record<string, number>> } };
}

/** Of `--output-format=json` with grouped jobs. Pure. @throws BenchError */
export function parseFio(output: string): FioResult {
  const { jobs } = JSON.parse(output.slice(output.indexOf('{'))) as { jobs: readonly FioJob[] };
  const [job] = jobs;
  if (job === undefined || job.error !== 0) throw new BenchError(`fio failed:\n${output}`);
  const syncMs = (percent: string): number => (job.sync?.lat_ns.percentile?.[percent] ?? Number.NaN) / 1e6;
  return {
    writesPerSecond: job.write.iops,
    bytesPerSecond: job.write.bw_bytes,
    syncP50Ms: syncMs('50.000000'),
    syncP99Ms: syncMs('99.000000'),
  };
}

export async function runFio(
  owned: Belongings,
  options: { readonly folder: string; readonly writeBytes: number; readonly jobs: number; readonly seconds: number },
): Promise<FioResult> {
  const args = [
    '--output-format=json',
    '--name=floor',
    `--directory=${options.folder}`,
    '--rw=write',
    `--bs=${options.writeBytes}`,
    '--size=16g',
    '--fallocate=none',
    '--ioengine=psync',
    '--fdatasync=1',
    '--time_based',
    `--runtime=${options.seconds}`,
    `--numjobs=${options.jobs}`,
    '--group_reporting',
    '--unlink=1',
  ];
  return parseFio(await owned.run('fio', args, 'fio'));
}
