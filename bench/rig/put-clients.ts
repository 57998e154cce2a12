/**
 * The load of bench/put.ts, in a process of its own: clients that each send one PUT after the other on a kept connection, every
 * one to a new key. Requests are signed before the clock starts, as far as it can be guessed how many are needed.
 */
import { randomBytes } from 'node:crypto';
import { RawConnection } from './raw-connection.ts';
import { signedPut } from './signed-requests.ts';

export interface PutOrder {
  readonly port: number;
  readonly bucket: string;
  readonly clients: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Requests to sign before the clock starts. */
  readonly prepare: number;
  /** What every body begins with, in hexadecimal; nothing by default. */
  readonly prefix?: string;
}

export interface PutResult {
  readonly operations: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export type PutReply = { readonly result: PutResult } | { readonly failure: string };

/** Of values in ascending order: the smallest that at least this share of them does not exceed. Pure. */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

async function obey(order: PutOrder, nextKey: () => string): Promise<PutResult> {
  const host = `127.0.0.1:${order.port}`;
  const prefix = Buffer.from(order.prefix ?? '', 'hex');
  const body = Buffer.concat([prefix, randomBytes(order.bytes - prefix.length)]);
  const sign = (): string => signedPut(`/${order.bucket}/${nextKey()}`, host, Date.now(), body.length);
  const heads = Array.from({ length: order.prepare }, sign);
  const connections = await Promise.all(Array.from({ length: order.clients }, () => RawConnection.open(order.port)));
  const latencies: number[] = [];
  const startedMs = performance.now();
  const endMs = startedMs + order.seconds * 1000;
  const client = async (connection: RawConnection): Promise<void> => {
    for (let sentMs = performance.now(); sentMs < endMs; sentMs = performance.now()) {
      const { status, body: text } = await connection.exchange(heads.pop() ?? sign(), body);
      if (status !== 200) throw new Error(`a PUT was answered with ${status}: ${text.toString()}`);
      latencies.push(performance.now() - sentMs);
    }
  };
  await Promise.all(connections.map(client));
  const seconds = (performance.now() - startedMs) / 1000;
  for (const connection of connections) connection.close();
  const sorted = Float64Array.from(latencies).sort();
  const [p50Ms, p99Ms, maxMs] = [percentile(sorted, 0.5), percentile(sorted, 0.99), percentile(sorted, 1)];
  return { operations: sorted.length, seconds, p50Ms, p99Ms, maxMs };
}

/** Serves orders of the parent until it goes away. */
export function servePutOrders(): void {
  let keys = 0;
  const nextKey = (): string => {
    const position = keys++;
    return `scans/${String(position % 1000).padStart(4, '0')}/slice_${String(position).padStart(9, '0')}.dcm`;
  };
  process.on('message', (order: PutOrder) => {
    const send = (reply: PutReply): void => void process.send?.(reply);
    obey(order, nextKey).then(
      (result) => send({ result }),
      (error: unknown) => send({ failure: String(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
}
