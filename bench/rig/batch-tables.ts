/** What bench/grpc-batch.ts calls its contenders and measures, and the tables for people that are made of them. */
import { formatFigure, type Report } from '../measure/report.ts';
import { medianOf, type Series } from '../measure/rounds.ts';
import type { ObjectSet } from './batch-content.ts';

export const CPU = 'CPU an object, µs';
export const RATE = 'objects a second';
export const FIRST = 'first frame p50, ms';
export const WHOLE = 'batch p50, ms';

/** `batch` 1: single GETs, over so many connections. */
export function nameOf(kib: number, batch: number, atOnce: number, client: string): string {
  const what = batch === 1 ? `${atOnce} connections` : `batches of ${batch}, ${atOnce} at once`;
  return `${kib} KiB, ${what}: ${client}`;
}

interface Shown {
  readonly sets: readonly ObjectSet[];
  readonly batches: readonly number[];
  readonly streams: number;
  readonly connections: number;
}

function figure(value: number | undefined): string {
  return value === undefined ? '–' : formatFigure(value);
}

/** Medians of all rounds; ratios are those of medians. */
export function addTables(report: Report, series: readonly Series[], shown: Shown): void {
  const { sets, batches, streams, connections } = shown;
  const of = (measure: string, kib: number, batch: number, atOnce: number, client: string): number | undefined =>
    medianOf(series, nameOf(kib, batch, atOnce, client), measure);
  const over = (above: number | undefined, below: number | undefined): string =>
    above === undefined || below === undefined ? '–' : (above / below).toFixed(2);
  const rows = (
    measure: string,
    compare: (batched: number | undefined, gets: number | undefined) => string,
  ): string[][] =>
    sets.flatMap(({ kib }) =>
      batches.map((batch) => {
        const many = (client: string): number | undefined => of(measure, kib, batch, streams, client);
        const single = (client: string, atOnce = connections): number | undefined =>
          of(measure, kib, 1, atOnce, client);
        return [
          `${kib} KiB × ${batch}`,
          ...['http2', 'typescript', 'python', 'floor'].map((client) => figure(many(client))),
          figure(single('s3', 1)),
          ...['s3', 'nginx', 'nginx, open_file_cache'].map((client) => figure(single(client))),
          over(many('http2'), many('floor')),
          compare(many('http2'), single('s3')),
        ];
      }),
    );
  const columns = (ratio: string): string[] => [
    'objects × batch',
    'GetBatch, node:http2',
    'GetBatch, TypeScript',
    'GetBatch, Python',
    'http2 floor',
    'S3 GET, 1 connection',
    `S3 GET, ${connections}`,
    `nginx, ${connections}`,
    `nginx cached, ${connections}`,
    'GetBatch / floor',
    ratio,
  ];
  report.addTable('Server CPU an object, µs', [
    columns('S3 GET / GetBatch'),
    ...rows(CPU, (batched, gets) => over(gets, batched)),
  ]);
  report.addTable('Objects a second', [columns('GetBatch / S3 GET'), ...rows(RATE, over)]);
  const batch = Math.max(...batches);
  const alone = (measure: string, kib: number): string[] =>
    ['http2', 'typescript', 'python', 'floor'].map((client) => figure(of(measure, kib, batch, 1, client)));
  const clients = ['node:http2', 'TypeScript', 'Python', 'http2 floor'];
  report.addTable(`One batch of ${batch} at a time: first frame, and whole batch, p50 in ms`, [
    ['objects', ...clients.map((client) => `first: ${client}`), ...clients.map((client) => `whole: ${client}`)],
    ...sets.map(({ kib }) => [`${kib} KiB`, ...alone(FIRST, kib), ...alone(WHOLE, kib)]),
  ]);
}
