/** Batches by GetBatch: one HTTP/2 connection for a rank, which all its readers share, as a data loader shares a channel. */
import { mintToken } from '../../src/format/bearer-token.ts';
import { BatchesService, GetBatchRequest, Order } from '../../src/format/messages.ts';
import type { Credentials } from '../suite/target.ts';
import { addressOf, openWire, WIRE_BUFFER_BYTES, type Wire } from '../suite/wire.ts';
import { BatchStream } from './batch-stream.ts';
import { encodeHeaders, Http2Client } from './http2-frames.ts';
import { addFault, type BatchReader, type Expected, type Tally } from './outcome.ts';

const PREFIX_BYTES = 5;
const TOKEN_MS = 2 * 3_600_000;
const CLOSED = 'the reader was closed';

interface Options {
  /** `host:port` of the data plane. */
  readonly address: string;
  readonly bucket: string;
  readonly credentials: Credentials;
  readonly expected: Expected;
  readonly tally: Tally;
}

interface Session {
  readonly client: Http2Client;
  readonly wire: Wire;
}

export class BatchConnection implements BatchReader {
  readonly #options: Options;
  readonly #headers: Buffer;
  #session: Session | undefined;
  #opening: Promise<Session> | undefined;
  #isClosed = false;

  constructor(options: Options) {
    this.#options = options;
    const { accessKeyId, secretKey } = options.credentials;
    const token = mintToken({ accessKeyId, secretKey, expiresMs: Date.now() + TOKEN_MS });
    this.#headers = encodeHeaders([
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', BatchesService.getBatch.path],
      [':authority', options.address],
      ['te', 'trailers'],
      ['content-type', 'application/grpc'],
      ['authorization', `Bearer ${token}`],
    ]);
  }

  async read(batch: Uint32Array, next: Uint32Array | undefined): Promise<void> {
    const { tally, expected } = this.#options;
    const request = this.#encode(batch, next);
    try {
      const { client } = await this.#open();
      await receive(client, this.#headers, request, new BatchStream(batch, expected, tally));
    } catch (error) {
      addFault(tally, 'broken', batch.length, `GetBatch of ${batch.length}: ${(error as Error).message}`);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#session?.wire.close();
    this.#session?.client.fail(new Error(CLOSED));
    this.#session = undefined;
  }

  /** The connection of the moment: a new one when the last is lost or is going away. */
  #open(): Promise<Session> {
    const session = this.#session;
    if (session !== undefined && !session.client.isGoingAway) return Promise.resolve(session);
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #connect(): Promise<Session> {
    const take = (bytes: Buffer): void => {
      try {
        client.take(bytes);
      } catch (error) {
        wire.close();
        lose(error as Error);
      }
      if (client.isGoingAway && client.openStreams === 0) wire.close();
    };
    const address = addressOf(new URL(`http://${this.#options.address}`));
    const into = Buffer.allocUnsafeSlow(WIRE_BUFFER_BYTES);
    const wire = await openWire(address, { take, lost: (error) => lose(error) }, { into });
    if (this.#isClosed) {
      wire.close();
      throw new Error(CLOSED);
    }
    const client = new Http2Client((bytes) => wire.write(bytes));
    const session = { client, wire };
    const lose = (error: Error): void => {
      if (this.#session === session) this.#session = undefined;
      client.fail(error);
    };
    this.#session = session;
    return session;
  }

  #encode(batch: Uint32Array, next: Uint32Array | undefined): Buffer {
    const { bucket, expected } = this.#options;
    const keysOf = (positions: Uint32Array): string[] => Array.from(positions, (position) => expected.keyOf(position));
    const message = GetBatchRequest.encode({
      bucket,
      keys: keysOf(batch),
      order: Order.ORDER_COMPLETION,
      ...(next === undefined ? {} : { nextKeys: keysOf(next) }),
    });
    const request = Buffer.alloc(PREFIX_BYTES + message.length);
    request.writeUInt32BE(message.length, 1);
    request.set(message, PREFIX_BYTES);
    return request;
  }
}

function receive(client: Http2Client, headers: Buffer, request: Buffer, stream: BatchStream): Promise<void> {
  return new Promise((resolve) => {
    client.request(headers, request, {
      data: (bytes, start, end) => stream.take(bytes, start, end),
      end: (error) => {
        stream.finish(error);
        resolve();
      },
    });
  });
}
