/**
 * PutBatch by the published client: objects of the set in turn, each to the store that it belongs to, until the time or the set is over; an
 * object counts when it was acknowledged, which is when it is on the disk. And the reading back of what was put.
 */
import type { PenstockClient } from '../../src/client/client.ts';
import type { PutItem } from '../../src/client/put-queue.ts';
import type { DataSet } from '../suite/data-set.ts';
import { dataOf } from './order-data.ts';
import type { PutBatchOrder, VerifyOrder } from './orders.ts';
import { ownerOf } from './owners.ts';
import { clientOf, type Server } from './servers.ts';
import type { PutRun } from './single-load.ts';
import type { Tally } from './tally.ts';

/** Read back, and removed, at once. */
const VERIFIED_AT_ONCE = 512;
const VERIFIED_BYTES_MAX = 32 * 2 ** 20;

/** @param begin called when all is ready and the load begins */
export async function loadPutBatches(
  order: PutBatchOrder,
  tally: Tally,
  isStopped: () => boolean,
  begin: () => void,
): Promise<PutRun> {
  const dataSet = dataOf(order);
  const { servers, spread, bucket, streams, seconds } = order;
  const until = servers.map(() => 0);
  begin();
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1000;
  const putAll = async (server: Server, place: number): Promise<void> => {
    const client = clientOf(server, bucket, order.clients);
    const items = function* (): Generator<PutItem> {
      for (let position = 0; position < dataSet.count; position += 1) {
        if (performance.now() >= endMs || isStopped() || tally.isHopeless) return;
        until[place] = position + 1;
        if (ownerOf(dataSet, spread, servers.length, position) === place)
          yield { key: dataSet.keyOf(position), body: dataSet.bodyOf(position) };
      }
    };
    try {
      for await (const result of client.putBatch(items(), { streams })) {
        tally.requests += 1;
        if (result.ok) tally.stored(result.info.size);
        else tally.refused(result.error.message);
      }
    } catch (error) {
      tally.broken(String(error));
    } finally {
      client.close();
    }
  };
  await Promise.all(servers.map(putAll));
  return { seconds: (performance.now() - startedMs) / 1000, spunSeconds: 0, until };
}

/** Counts into `tally` what came back as it was put; and what did not. */
export async function verifyPuts(order: VerifyOrder, tally: Tally, isStopped: () => boolean): Promise<void> {
  const dataSet = dataOf(order);
  const { servers, spread, bucket } = order;
  const step = Math.max(1, Math.min(VERIFIED_AT_ONCE, Math.floor(VERIFIED_BYTES_MAX / dataSet.sizeMax)));
  for (const [place, server] of servers.entries()) {
    const client = clientOf(server, bucket, 1);
    const until = order.until[place] ?? 0;
    try {
      for (let from = 0; from < until && !isStopped() && !tally.isHopeless; from += step) {
        const all = Array.from({ length: Math.min(step, until - from) }, (_, i) => from + i);
        const own = all.filter((position) => ownerOf(dataSet, spread, servers.length, position) === place);
        await verify(client, dataSet, own, tally);
        if (order.remove) await client.delete(own.map((position) => dataSet.keyOf(position)));
      }
    } finally {
      client.close();
    }
  }
}

async function verify(client: PenstockClient, dataSet: DataSet, own: readonly number[], tally: Tally): Promise<void> {
  const keys = own.map((position) => dataSet.keyOf(position));
  for await (const result of client.getBatch(keys)) {
    if (!result.ok) tally.refused(`read back: ${result.error.message}`);
    else tally.received(dataSet, own[result.slot] as number, result.body.length, result.info.crc32);
  }
}
