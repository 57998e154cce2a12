/**
 * A process that only reads an index, as a worker does: look-ups by the path of LocalObjects, and what it holds in memory at
 * rest. It answers the orders of bench/index.ts.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { BucketName, ObjectKey } from '../../src/base/names.ts';
import { indexKey } from '../../src/format/index-key.ts';
import { IndexDatabase } from '../../src/store/index-database.ts';
import { BucketTable, findEntry, type LocalEngine } from '../../src/store/local-engine.ts';
import { type Memory, memoryOf } from '../measure/processes.ts';
import { BUCKET, keyAt, PAYLOAD_BYTES } from './index-content.ts';

export type ReadOrder =
  | { readonly kind: 'open'; readonly folder: string; readonly keys: number }
  | { readonly kind: 'look-ups'; readonly path: LookUpPath; readonly count: number }
  | { readonly kind: 'rest' };
/** As the store does it for objects that are there, for objects that are not, and the bare read of LMDB that it stands on. */
export type LookUpPath = 'present' | 'absent' | 'bare';

export type ReadReply =
  | { readonly kind: 'look-ups'; readonly perSecond: number; readonly cpuUs: number }
  | { readonly kind: 'memory'; readonly memory: Memory };

interface Opened {
  readonly index: IndexDatabase;
  readonly engine: LocalEngine;
  readonly keys: number;
}

function open(folder: string, keys: number): Opened {
  const index = IndexDatabase.open(folder, 'read');
  // Only what a look-up touches.
  const engine = { index, buckets: new BucketTable(index) } as LocalEngine;
  return { index, engine, keys };
}

function finder({ index, engine, keys }: Opened, path: LookUpPath): () => boolean {
  const random = (): number => Math.floor(Math.random() * keys);
  const bucket = BUCKET.name as BucketName;
  if (path === 'bare') {
    return () => index.objects.getBinary(indexKey(BUCKET.id, Buffer.from(keyAt(random())))) !== undefined;
  }
  if (path === 'absent') {
    return () => findEntry(engine, engine.buckets.get(bucket).id, `${keyAt(random())}x` as ObjectKey) === undefined;
  }
  return () => findEntry(engine, engine.buckets.get(bucket).id, keyAt(random()))?.size === PAYLOAD_BYTES;
}

function lookUp(opened: Opened, path: LookUpPath, count: number): ReadReply {
  const find = finder(opened, path);
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  let right = 0;
  for (let i = 0; i < count; i += 1) if (find()) right += 1;
  const cpu = process.cpuUsage(startedCpu);
  const tookMs = performance.now() - startedMs;
  if (right !== count) throw new Error(`${count - right} of ${count} look-ups (${path}) gave a wrong answer`);
  return { kind: 'look-ups', perSecond: (count * 1000) / tookMs, cpuUs: (cpu.user + cpu.system) / count };
}

/** Run with --expose-gc, so that garbage that is about to go does not count. */
async function memoryAtRest(): Promise<ReadReply> {
  const { gc } = globalThis as { gc?: () => void };
  for (let i = 0; i < 3; i += 1) {
    gc?.();
    await pause(100);
  }
  return { kind: 'memory', memory: memoryOf('self') };
}

export function serveReadOrders(): void {
  let opened: Opened | undefined;
  const obey = async (order: ReadOrder): Promise<ReadReply> => {
    if (order.kind === 'open') {
      const before = await memoryAtRest();
      opened = open(order.folder, order.keys);
      return before;
    }
    if (order.kind === 'rest') return memoryAtRest();
    return lookUp(opened as Opened, order.path, order.count);
  };
  process.on('message', (order: ReadOrder) => {
    obey(order).then(
      (reply) => process.send?.(reply),
      (error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
        process.exit(1);
      },
    );
  });
  process.on('disconnect', () => process.exit(0));
}
