/**
 * What so many nodes would give, if each does what one core of one was measured to do: the least of what CPU, network and drives allow,
 * times the nodes, divided by how uneven the keys lie. Pure: the same inputs give the same table.
 *
 * Hardest decision: the model is the least of straight lines and knows no queueing and no coordination, so it says at most what is
 * possible. What it leaves out is written beside its table in docs/scaling.md; a clever term that nobody measured would hide it.
 */
import type { Table } from '../suite/run-report.ts';
import { microsOf, type OperationCost } from './cost.ts';
import type { InputName, ModelInputs } from './model-inputs.ts';
import { fullestOverMean } from './placement.ts';

/** What the paper says of 75 blades. */
export const PAPER = { nodes: 75, readGB: 75, writeGB: 25, operations: 7_500_000, capacityPB: 8 } as const;
export const NODE_COUNTS = [1, 15, PAPER.nodes] as const;

export type Resource = 'CPU' | 'network' | 'drives';

export interface Bound {
  /** A second. */
  readonly objects: number;
  readonly by: Resource;
}

export interface ModelRow {
  readonly nodes: number;
  readonly readGB: number;
  readonly readBy: Resource;
  readonly writeGB: number;
  readonly writeBy: Resource;
  /** Small objects a second, in batches and one GET each. */
  readonly batchOperations: number;
  readonly batchBy: Resource;
  readonly getOperations: number;
  readonly getBy: Resource;
  /** Bytes of objects that fit, PB. */
  readonly capacityPB: number;
}

type Values = Readonly<Record<InputName, number>>;
const KiB = 1024;

function valuesOf(inputs: ModelInputs): Values {
  return Object.fromEntries(Object.entries(inputs).map(([name, { value }]) => [name, value])) as Record<
    InputName,
    number
  >;
}

function least(limits: Readonly<Record<Resource, number>>): Bound {
  const all = Object.entries(limits) as [Resource, number][];
  const [by, objects] = all.reduce((least, other) => (other[1] < least[1] ? other : least));
  return { objects, by };
}

function cpuLimit(v: Values, cost: OperationCost, bytes: number, growth: number): number {
  return (v.cores * v.coreShare * 1e6) / (microsOf(cost, bytes) * growth);
}

function networkLimit(v: Values, bytes: number): number {
  return (v.networkGBPerSecond * v.networkShare * 1e9) / bytes;
}

/** Of one node, objects a second that are on its drives and in no memory. */
function readBound(v: Values, cost: OperationCost, bytes: number, growth: number): Bound {
  const stored = bytes / v.reduction;
  const drives = v.drives * Math.min((v.driveReadGBPerSecond * 1e9) / stored, v.driveReadsPerSecond);
  return least({ CPU: cpuLimit(v, cost, bytes, growth), network: networkLimit(v, bytes), drives });
}

function writeBound(v: Values, cost: OperationCost, bytes: number, growth: number): Bound {
  const stored = (bytes / v.reduction) * v.copies;
  const drives = (v.drives * v.driveWriteGBPerSecond * 1e9 * v.durableShare) / stored;
  return least({ CPU: cpuLimit(v, cost, bytes, growth), network: networkLimit(v, bytes), drives });
}

export function modelRow(inputs: ModelInputs, nodes: number): ModelRow {
  const v = valuesOf(inputs);
  const growth = nodes === 1 ? 1 : v.cpuWithStores;
  // All are done when the fullest is.
  const together = nodes / fullestOverMean(nodes, v.objects);
  const getBatch = { fixedMicros: v.getBatchFixedMicros, microsPerMiB: v.getBatchMicrosPerMiB };
  const s3Get = { fixedMicros: v.s3GetFixedMicros, microsPerMiB: v.s3GetMicrosPerMiB };
  const putBatch = { fixedMicros: v.putBatchFixedMicros, microsPerMiB: v.putBatchMicrosPerMiB };
  const [readBytes, writeBytes, smallBytes] = [v.readKiB * KiB, v.writeKiB * KiB, v.operationKiB * KiB];
  const read = readBound(v, getBatch, readBytes, growth);
  const write = writeBound(v, putBatch, writeBytes, growth);
  const batch = readBound(v, getBatch, smallBytes, growth);
  const get = readBound(v, s3Get, smallBytes, growth);
  return {
    nodes,
    readGB: (read.objects * readBytes * together) / 1e9,
    readBy: read.by,
    writeGB: (write.objects * writeBytes * together) / 1e9,
    writeBy: write.by,
    batchOperations: batch.objects * together,
    batchBy: batch.by,
    getOperations: get.objects * together,
    getBy: get.by,
    capacityPB: (v.drives * v.driveTB * v.fullShare * v.reduction * together) / v.copies / 1000,
  };
}

function figure(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(value >= 100 ? 3 : 2);
}

function millions(value: number): string {
  return `${figure(value / 1e6)} M`;
}

/** For 1, 15 and 75 nodes, and what the paper says of 75. */
export function modelTable(inputs: ModelInputs, counts: readonly number[] = NODE_COUNTS): Table {
  const { readKiB, writeKiB, operationKiB } = valuesOf(inputs);
  const rows = counts.map((nodes) => {
    const row = modelRow(inputs, nodes);
    return [
      `${nodes} ${nodes === 1 ? 'node' : 'nodes'}`,
      `${figure(row.readGB)} (${row.readBy})`,
      `${figure(row.writeGB)} (${row.writeBy})`,
      `${millions(row.batchOperations)} (${row.batchBy})`,
      `${millions(row.getOperations)} (${row.getBy})`,
      `${figure(row.capacityPB)}`,
    ];
  });
  const paper = [`the paper, ${PAPER.nodes} blades`, `${PAPER.readGB}`, `${PAPER.writeGB}`];
  return {
    title: 'What so many nodes would give at most, and what limits them',
    rows: [
      [
        '',
        `reads, GB/s (GetBatch, ${readKiB} KiB)`,
        `writes, GB/s (PutBatch, ${writeKiB} KiB)`,
        `operations/s (GetBatch, ${operationKiB} KiB)`,
        `operations/s (S3 GET, ${operationKiB} KiB)`,
        'capacity, PB',
      ],
      ...rows,
      [...paper, millions(PAPER.operations), millions(PAPER.operations), `${PAPER.capacityPB}`],
    ],
  };
}

/** How many nodes each figure of the paper takes. */
export function nodesForPaper(inputs: ModelInputs): Table {
  const one = modelRow(inputs, 1);
  const many = modelRow(inputs, PAPER.nodes);
  const need = (paper: number, of: (row: ModelRow) => number): string[] => [
    figure(of(one)),
    String(Math.max(1, Math.ceil((paper * PAPER.nodes) / of(many)))),
    (of(many) / paper).toFixed(2),
  ];
  return {
    title: "The paper's figures",
    rows: [
      ['', 'the paper', 'one node', 'nodes needed', `${PAPER.nodes} nodes / the paper`],
      ['reads, GB/s', String(PAPER.readGB), ...need(PAPER.readGB, ({ readGB }) => readGB)],
      ['writes, GB/s', String(PAPER.writeGB), ...need(PAPER.writeGB, ({ writeGB }) => writeGB)],
      [
        'operations/s, GetBatch',
        figure(PAPER.operations),
        ...need(PAPER.operations, ({ batchOperations }) => batchOperations),
      ],
      [
        'operations/s, S3 GET',
        figure(PAPER.operations),
        ...need(PAPER.operations, ({ getOperations }) => getOperations),
      ],
      ['capacity, PB', String(PAPER.capacityPB), ...need(PAPER.capacityPB, ({ capacityPB }) => capacityPB)],
    ],
  };
}
