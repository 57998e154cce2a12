/** Reports of runs that nobody ran, for tests of what is drawn from them. */
import { NO_ERRORS, type Percentiles, type Point, type RunReport } from '../../loadtest/suite/run-report.ts';

export function latency(p99: number, isCorrected: boolean): Percentiles {
  return { count: 100, isCorrected, mean: 2, p50: 1, p75: 2, p90: 3, p95: 4, p99, p999: p99 * 2, max: p99 * 3 };
}

/** A second of 500 GETs of 16 KiB. */
export function aPoint(changes: Partial<Point> = {}): Point {
  return {
    target: 'penstock',
    load: 'GET 16 KiB',
    at: {},
    seconds: 1,
    requests: 500,
    objects: 500,
    bytes: 500 * 16384,
    serverCpuSeconds: 0.05,
    loadCpuSeconds: 0.06,
    isLoadLimited: false,
    errors: NO_ERRORS,
    more: {},
    ...changes,
  };
}

export function aReport(changes: Partial<RunReport> = {}): RunReport {
  return {
    format: 1,
    scenario: 's3-get',
    command: 'npm run loadtest -- s3-get',
    machine: {
      cpu: 'some CPU',
      cores: 2,
      memoryGiB: 8,
      kernel: 'Linux 6.1 x64',
      node: 'v20.19.0',
      commit: '0123456789ab',
      loadAverage: 0.5,
      date: '2026-11-25T12:00:00.000Z',
    },
    versions: { penstock: '0.1.0' },
    startedAt: '2026-11-25T12:00:00.000Z',
    seconds: 12,
    isCutShort: false,
    settings: { connections: 64, 'allow-remote': false },
    targets: [{ name: 'penstock', endpoint: 'http://127.0.0.1:9000/', isOwn: true }],
    points: [aPoint()],
    ratios: [],
    plots: [],
    tables: [],
    remarks: [],
    ...changes,
  };
}
