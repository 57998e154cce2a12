/** The load of bench/put-batch.ts over gRPC, in a process of its own: one run of PutBatch by the published client, to new keys. */
import { randomBytes } from 'node:crypto';
import { PenstockClient } from '../../src/client/client.ts';
import type { PutItem } from '../../src/client/put-queue.ts';
import { SIGNER } from './signed-requests.ts';

export interface PutBatchOrder {
  readonly port: number;
  readonly bucket: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly channels: number;
  /** What every body begins with, in hexadecimal. */
  readonly prefix: string;
}

export interface PutBatchResult {
  readonly operations: number;
  /** Until the last object was acknowledged. */
  readonly seconds: number;
}

export type PutBatchReply = { readonly result: PutBatchResult } | { readonly failure: string };

const BODIES = 64;

/** Random ones, which all begin alike. */
function bodiesOf(bytes: number, prefix: Buffer): Buffer[] {
  return Array.from({ length: BODIES }, () => Buffer.concat([prefix, randomBytes(bytes - prefix.length)]));
}

async function obey(order: PutBatchOrder, nextKey: () => string): Promise<PutBatchResult> {
  const { accessKeyId, secret: secretKey } = SIGNER;
  const { port, bucket, bytes, channels } = order;
  const client = new PenstockClient({ endpoint: `127.0.0.1:${port}`, accessKeyId, secretKey, bucket, channels });
  const bodies = bodiesOf(bytes, Buffer.from(order.prefix, 'hex'));
  const startedMs = performance.now();
  const endMs = startedMs + order.seconds * 1000;
  function* items(): Generator<PutItem> {
    for (let i = 0; performance.now() < endMs; i = (i + 1) % bodies.length)
      yield { key: nextKey(), body: bodies[i] as Buffer };
  }
  let operations = 0;
  for await (const result of client.putBatch(items())) {
    if (!result.ok) throw result.error;
    operations += 1;
  }
  const seconds = (performance.now() - startedMs) / 1000;
  client.close();
  return { operations, seconds };
}

/** Serves orders of the parent until it goes away. */
export function servePutBatchOrders(): void {
  let keys = 0;
  const nextKey = (): string => {
    const position = keys++;
    return `batched/${String(position % 1000).padStart(4, '0')}/slice_${String(position).padStart(9, '0')}.dcm`;
  };
  process.on('message', (order: PutBatchOrder) => {
    const send = (reply: PutBatchReply): void => void process.send?.(reply);
    obey(order, nextKey).then(
      (result) => send({ result }),
      (error: unknown) => send({ failure: String(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
}
