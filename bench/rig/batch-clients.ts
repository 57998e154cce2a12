/**
 * Load of the batch benchmarks, in a process of its own: batches by node:http2 or by the published TypeScript client, or single S3 GETs.
 * Keys come in random order, each once before any comes again.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { PenstockClient } from '../../src/client/client.ts';
import { type Belongings, onCore } from '../measure/belongings.ts';
import { BenchError } from '../measure/options.ts';
import { keyOf, type ObjectSet } from './batch-content.ts';
import { Epoch } from './epoch.ts';
import { Http2Batches } from './http2-batch.ts';
import { percentile } from './put-clients.ts';
import { RawConnection } from './raw-connection.ts';
import { SIGNER, signedGet } from './signed-requests.ts';

export interface BatchOrder {
  /** `http2`: nothing looks into frames. `typescript`: every object is checked by CRC-32. `s3`: batches of one. */
  readonly by: 'http2' | 'typescript' | 's3';
  readonly port: number;
  readonly bucket: string;
  readonly set: ObjectSet;
  readonly batch: number;
  /** Batches, or GETs, at once. */
  readonly streams: number;
  /** 0: until every object was read once. */
  readonly seconds: number;
}

export interface BatchLoad {
  readonly objects: number;
  readonly seconds: number;
  /** From the request of a batch to its first frame (`null`: the client does not say), and to its end. */
  readonly firstP50Ms: number | null;
  readonly batchP50Ms: number;
}

export type BatchReply = { readonly result: BatchLoad } | { readonly failure: string };

/** Reads one batch. @returns milliseconds until its first frame */
type ReadBatch = (positions: readonly number[]) => Promise<number>;

interface Reader {
  readonly read: ReadBatch;
  readonly close: () => void;
}

async function byHttp2({ port, bucket, set }: BatchOrder): Promise<Reader> {
  const batches = await Http2Batches.open(port);
  const read = async (positions: readonly number[]): Promise<number> => {
    const keys = positions.map((position) => keyOf(set, position));
    const { bytes, firstMs } = await batches.get(bucket, keys);
    if (bytes < positions.length * set.bytes) throw new Error(`a batch of ${positions.length} brought ${bytes} bytes`);
    return firstMs;
  };
  return { read, close: () => batches.close() };
}

function byClient({ port, bucket, set }: BatchOrder): Reader {
  const { accessKeyId, secret: secretKey } = SIGNER;
  const client = new PenstockClient({ endpoint: `127.0.0.1:${port}`, accessKeyId, secretKey, bucket });
  const read = async (positions: readonly number[]): Promise<number> => {
    const keys = positions.map((position) => keyOf(set, position));
    const startedMs = performance.now();
    let firstMs: number | undefined;
    for await (const result of client.getBatch(keys)) {
      firstMs ??= performance.now() - startedMs;
      if (!result.ok) throw result.error;
      if (result.body.length !== set.bytes) throw new Error(`${result.key} has ${result.body.length} bytes`);
    }
    return firstMs ?? Number.NaN;
  };
  return { read, close: () => client.close() };
}

async function byGets({ port, bucket, set, streams }: BatchOrder): Promise<Reader> {
  const idle = await Promise.all(Array.from({ length: streams }, () => RawConnection.open(port)));
  const all = [...idle];
  const read = async ([position]: readonly number[]): Promise<number> => {
    const connection = idle.pop() as RawConnection;
    const head = signedGet(`/${bucket}/${keyOf(set, position as number)}`, `127.0.0.1:${port}`, Date.now());
    const startedMs = performance.now();
    const { status, body } = await connection.exchange(head);
    if (status !== 200 || body.length !== set.bytes)
      throw new Error(`a GET was answered with ${status} and ${body.length} bytes`);
    idle.push(connection);
    return performance.now() - startedMs;
  };
  return { read, close: () => all.forEach((connection) => void connection.close()) };
}

async function obey(order: BatchOrder): Promise<BatchLoad> {
  const readers = { http2: byHttp2, typescript: byClient, s3: byGets };
  const { read, close } = await readers[order.by](order);
  const epoch = new Epoch(order.set.count);
  const [first, whole]: [number[], number[]] = [[], []];
  let objects = 0;
  let started = 0;
  const startedMs = performance.now();
  const endMs = startedMs + order.seconds * 1000;
  const goesOn = (): boolean => (order.seconds === 0 ? started < order.set.count : performance.now() < endMs);
  const stream = async (): Promise<void> => {
    while (goesOn()) {
      const count = order.seconds === 0 ? Math.min(order.batch, order.set.count - started) : order.batch;
      started += count;
      const sentMs = performance.now();
      first.push(await read(epoch.take(count)));
      whole.push(performance.now() - sentMs);
      objects += count;
    }
  };
  try {
    await Promise.all(Array.from({ length: order.streams }, stream));
  } finally {
    close();
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const p50 = (values: number[]): number => percentile(Float64Array.from(values).sort(), 0.5);
  return { objects, seconds, firstP50Ms: p50(first), batchP50Ms: p50(whole) };
}

/** Serves orders of the parent until it goes away. */
export function serveBatchOrders(): void {
  process.on('message', (order: BatchOrder) => {
    const send = (reply: BatchReply): void => void process.send?.(reply);
    obey(order).then(
      (result) => send({ result }),
      (error: unknown) => send({ failure: String(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
}

/** The process that serves them. */
export class BatchClients {
  readonly #child: ChildProcess;

  /** @param options `self`: file that calls `serveBatchOrders` when it is given `flag` */
  constructor(
    owned: Belongings,
    options: { readonly self: string; readonly flag: string; readonly core: number; readonly cores: number },
  ) {
    const argv = [...process.execArgv, options.self, options.flag];
    const [command, args] = onCore(options.core, options.cores, process.execPath, argv);
    this.#child = owned.spawn(command, args, 'util-linux', { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  async run(order: BatchOrder): Promise<BatchLoad> {
    this.#child.send(order);
    const [reply] = (await once(this.#child, 'message')) as [BatchReply];
    if ('failure' in reply) throw new BenchError(reply.failure);
    return reply.result;
  }
}
