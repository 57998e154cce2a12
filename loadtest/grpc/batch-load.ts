/**
 * GetBatch, as a client of one or of many stores sends it: keys in random order; where there are many stores, as many batches' worth of keys at once
 * as there are stores, each store asked for its own. A batch is done when every store has answered.
 */
import { Epoch } from '../../bench/rig/epoch.ts';
import { Http2Batches } from '../../bench/rig/http2-batch.ts';
import { Order } from '../../src/format/messages.ts';
import { BatchSlots, MessageRoom } from '../suite/batch-frames.ts';
import type { DataSet } from '../suite/data-set.ts';
import { countBatch } from './batch-check.ts';
import { dataOf } from './order-data.ts';
import type { GetBatchOrder } from './orders.ts';
import { ownersOf } from './owners.ts';
import { runStreams, type StreamsRun } from './run-streams.ts';
import { clientOf, grpcOf, type Server } from './servers.ts';
import type { Tally } from './tally.ts';

/** Connections to one store. */
interface Reader {
  /** Judges what it reads. @returns when the first of it was there, on the clock of `performance.now()`; NaN when nothing came */
  read(positions: readonly number[]): Promise<number>;
  close(): void;
}

interface Work {
  readonly order: GetBatchOrder;
  readonly dataSet: DataSet;
  readonly tally: Tally;
}

function openClient({ order, dataSet, tally }: Work, server: Server): Reader {
  const client = clientOf(server, order.bucket, order.clients);
  return {
    async read(positions) {
      let firstAtMs = Number.NaN;
      const keys = positions.map((position) => dataSet.keyOf(position));
      for await (const result of client.getBatch(keys, { order: order.order })) {
        if (Number.isNaN(firstAtMs)) firstAtMs = performance.now();
        const position = positions[result.slot] as number;
        if (result.ok) tally.received(dataSet, position, result.body.length, result.info.crc32);
        else tally.refused(result.error.message);
      }
      return firstAtMs;
    },
    close: () => client.close(),
  };
}

async function openHttp2({ order, dataSet, tally }: Work, server: Server): Promise<Reader> {
  const at = { address: grpcOf(server), ...server.credentials };
  const connections = await Promise.all(Array.from({ length: order.clients }, () => Http2Batches.open(at)));
  const rooms: MessageRoom[] = [];
  const wire = order.order === 'strict' ? Order.ORDER_STRICT : Order.ORDER_COMPLETION;
  let next = 0;
  return {
    async read(positions) {
      const connection = connections[next++ % connections.length] as Http2Batches;
      const room = rooms.pop() ?? new MessageRoom();
      const slots = new BatchSlots(positions.length, room);
      const keys = positions.map((position) => dataSet.keyOf(position));
      const sentMs = performance.now();
      try {
        const { firstMs } = await connection.get(order.bucket, keys, (chunk) => slots.take(chunk), wire);
        return sentMs + firstMs;
      } finally {
        countBatch(slots, dataSet, positions, tally);
        rooms.push(room);
      }
    },
    close: () => connections.forEach((connection) => void connection.close()),
  };
}

function splitByOwner(positions: readonly number[], owners: Uint8Array, servers: number): number[][] {
  const parts: number[][] = Array.from({ length: servers }, () => []);
  for (const position of positions) parts[owners[position] as number]?.push(position);
  return parts;
}

/** Reads one batch of every store. Never rejects for what a store did. */
async function readOnce(
  { tally }: Work,
  readers: readonly Reader[],
  parts: readonly number[][],
  sinceMs: number,
): Promise<void> {
  let firstAtMs = Number.POSITIVE_INFINITY;
  const readPart = async (positions: readonly number[], place: number): Promise<void> => {
    if (positions.length === 0) return;
    tally.requests += 1;
    try {
      const atMs = await (readers[place] as Reader).read(positions);
      if (atMs < firstAtMs) firstAtMs = atMs;
    } catch (error) {
      tally.broken(String(error));
    }
  };
  await Promise.all(parts.map(readPart));
  if (firstAtMs < Number.POSITIVE_INFINITY) tally.first.add(firstAtMs - sinceMs);
  tally.whole.add(performance.now() - sinceMs);
}

/** @param begin called when all is ready and the load begins */
export async function loadBatches(
  order: GetBatchOrder,
  tally: Tally,
  isStopped: () => boolean,
  begin: () => void,
): Promise<StreamsRun> {
  const dataSet = dataOf(order);
  const { servers, batch, streams, seconds, rate } = order;
  const work = { order, dataSet, tally };
  const owners = ownersOf(dataSet, order.spread, servers.length);
  for (let position = 0; position < dataSet.count; position += 1) dataSet.crcOf(position);
  const open = order.by === 'client' ? openClient : openHttp2;
  const readers = await Promise.all(servers.map((server) => open(work, server)));
  const epoch = new Epoch(dataSet.count);
  const keys = Math.min(dataSet.count, batch * servers.length);
  const isOver = (): boolean => isStopped() || tally.isHopeless;
  try {
    begin();
    return await runStreams({ streams, seconds, rate, isOver }, (sinceMs) =>
      readOnce(work, readers, splitByOwner(epoch.take(keys), owners, servers.length), sinceMs),
    );
  } finally {
    for (const reader of readers) reader.close();
  }
}
