/**
 * Small objects of an import over PutBatch. Promises: `put` resolves when the object is on disk, and only while what is stored over gRPC is
 * seen over S3 too, so that two addresses of two gateways are noticed at the first object; errors are the ones that S3 would give.
 *
 * Hardest decision: whether to use gRPC at all is asked once, at the start, with one request. An address that somebody named must work;
 * one that is only the default may be absent, or another gateway's, and then everything goes over S3.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { ERROR_TABLE, type ErrorCode } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { GrpcCode, PenstockClient, PenstockError, type PutItem, type PutResult } from '../client/client.ts';
import type { Connection } from './connection.ts';
import { CliError, EXIT, S3ReplyError } from './exit.ts';
import type { GrpcAddress } from './grpc-address.ts';

const PROBE_MS = 5000;
/** A key that nobody has, to ask for. */
const PROBE_KEY = '.penstock-import-probe';

/** What S3 knows of an object that was stored over gRPC. */
export type FindOverS3 = (key: string) => Promise<{ readonly etag: string } | undefined>;

export interface SenderChoice {
  /** `undefined`: everything goes over S3. */
  readonly sender: BatchSender | undefined;
  /** One line for the user. */
  readonly text: string;
}

/** @throws CliError when an address that was named cannot be used */
export async function chooseSender(
  address: GrpcAddress | undefined,
  connection: Connection,
  bucket: string,
  find: FindOverS3,
  signal: AbortSignal,
): Promise<SenderChoice> {
  if (address === undefined)
    return { sender: undefined, text: 'sending over S3 (--grpc HOST:PORT sends small files faster)' };
  const { hostAndPort, isTls, isNamed } = address;
  const { accessKeyId, secretKey } = connection;
  const client = new PenstockClient({
    endpoint: hostAndPort,
    accessKeyId,
    secretKey,
    bucket,
    ...(isTls && { tls: true }),
  });
  const fault = (isNamed ? undefined : await unreachable(hostAndPort)) ?? (await refusal(client, signal));
  if (fault === undefined) {
    const text = `sending files of up to ${LIMITS.clientPutFrameBytes / 1024 / 1024} MiB over gRPC (${hostAndPort}), larger ones over S3`;
    return { sender: new BatchSender(client, address, find, signal), text };
  }
  client.close();
  signal.throwIfAborted();
  if (!isNamed)
    return { sender: undefined, text: `sending over S3, since gRPC at ${hostAndPort} cannot be used: ${fault}` };
  throw new CliError(
    `gRPC at ${hostAndPort} cannot be used: ${fault}. Name the gRPC address of the same gateway with --grpc, or send over S3 with --no-grpc.`,
    EXIT.unreachable,
  );
}

/** Does nobody listen there? Said at once, where gRPC would try again for seconds. */
async function unreachable(hostAndPort: string): Promise<string | undefined> {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(hostAndPort) ?? [];
  const socket = connect({ host, port: Number(port), timeout: PROBE_MS });
  socket.once('timeout', () => socket.destroy(new Error('no answer')));
  try {
    await once(socket, 'connect');
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ECONNREFUSED' ? 'nothing listens there' : message;
  } finally {
    socket.destroy();
  }
}

/** Why this gateway does not take our puts; `undefined` when it seems to. */
async function refusal(client: PenstockClient, signal: AbortSignal): Promise<string | undefined> {
  try {
    await client.stat(PROBE_KEY, { signal, deadlineMs: PROBE_MS });
    return undefined;
  } catch (error) {
    if (!(error instanceof PenstockError)) throw error;
    if (error.code === GrpcCode.PERMISSION_DENIED) return undefined; // who may write need not be allowed to read
    if (error.reason === 'NoSuchBucket') return 'it does not have the bucket, so it is another gateway';
    return `${error.status}: ${error.message}`;
  }
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class BatchSender {
  readonly #client: PenstockClient;
  readonly #address: GrpcAddress;
  readonly #find: FindOverS3;
  readonly #signal: AbortSignal;
  readonly #items: PutItem[] = [];
  /** By number of the item, which is its slot. */
  readonly #waiting = new Map<number, Waiting>();
  #put = 0;
  #wake: (() => void) | undefined;
  #isClosed = false;
  #failure: { readonly error: unknown } | undefined;
  #running: Promise<void> | undefined;
  #seenOverS3: Promise<void> | undefined;

  constructor(client: PenstockClient, address: GrpcAddress, find: FindOverS3, signal: AbortSignal) {
    this.#client = client;
    this.#address = address;
    this.#find = find;
    this.#signal = signal;
  }

  takes(size: number): boolean {
    return size <= LIMITS.clientPutFrameBytes;
  }

  /** The body must not change until it resolves. @throws S3ReplyError and CliError, as an S3 request would */
  put(key: string, body: Buffer, contentType: string): Promise<void> {
    this.#running ??= this.#run();
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure.error);
        return;
      }
      this.#waiting.set(this.#put++, { resolve, reject });
      this.#items.push({ key, body, contentType });
      this.#wake?.();
    });
  }

  /** Ends what is under way; idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake?.();
    await this.#running;
    this.#client.close();
  }

  async #run(): Promise<void> {
    try {
      for await (const result of this.#client.putBatch(this.#source(), { signal: this.#signal })) {
        const waiting = this.#waiting.get(result.slot) as Waiting;
        this.#waiting.delete(result.slot);
        void this.#settle(result, waiting);
      }
    } catch (error) {
      const told = error instanceof PenstockError ? this.#told(error) : error;
      this.#failure = { error: told };
      for (const { reject } of this.#waiting.values()) reject(told);
      this.#waiting.clear();
    }
  }

  async *#source(): AsyncGenerator<PutItem> {
    for (;;) {
      const next = this.#items.shift();
      if (next !== undefined) yield next;
      else if (this.#isClosed) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  async #settle(result: PutResult, { resolve, reject }: Waiting): Promise<void> {
    if (!result.ok) {
      reject(this.#told(result.error));
      return;
    }
    this.#seenOverS3 ??= this.#lookOverS3(result.key, result.info.etag);
    await this.#seenOverS3.then(resolve, reject);
  }

  async #lookOverS3(key: string, etag: string): Promise<void> {
    const found = await this.#find(key);
    if (found?.etag === etag) return;
    throw new CliError(
      `${key} was stored over gRPC at ${this.#address.hostAndPort}, and is not there over S3: the two addresses belong to two gateways. ` +
        'Name the gRPC address of the same gateway with --grpc, or send over S3 with --no-grpc.',
    );
  }

  /** An error that the rest of the command line knows what to do about. */
  #told(error: PenstockError): Error {
    const { reason } = error;
    if (reason !== undefined && Object.hasOwn(ERROR_TABLE, reason))
      return new S3ReplyError(ERROR_TABLE[reason as ErrorCode].httpStatus, reason, error.message);
    return new CliError(
      `The gateway's gRPC address ${this.#address.hostAndPort} failed: ${error.status}: ${error.message}. Run the same command again.`,
      EXIT.unreachable,
      error,
    );
  }
}
