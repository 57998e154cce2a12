/** Batches by GetBatch: one HTTP/2 connection for a rank, which all its readers share, as a data loader shares a channel. */
import { mintToken } from '../../src/format/bearer-token.ts';
import { BatchesService, GetBatchRequest, Order } from '../../src/format/messages.ts';
import type { Credentials } from '../suite/target.ts';
import { BatchStream } from './batch-stream.ts';
import { encodeHeaders, Http2Client } from './http2-frames.ts';
import { addFault, type BatchReader, type Expected, type Tally } from './outcome.ts';
import { openWire, type Wire } from './wire.ts';

const PREFIX_BYTES = 5;
const TOKEN_MS = 2 * 3_600_000;

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
  #session: Promise<Session> | undefined;

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
    const session = this.#session;
    this.#session = undefined;
    session?.then(
      ({ client, wire }) => {
        wire.close();
        client.fail(new Error('the reader was closed'));
      },
      () => {}, // it never opened, and whoever asked has been told
    );
  }

  /** The connection of the moment: a new one when the last is lost or is going away. */
  async #open(): Promise<Session> {
    const known = this.#session;
    if (known !== undefined && !(await known).client.isGoingAway) return await known;
    if (this.#session === known) {
      const opening = this.#connect();
      this.#session = opening;
      opening.catch(() => this.#forget(opening));
    }
    return await (this.#session as Promise<Session>);
  }

  async #connect(): Promise<Session> {
    const wire = await openWire(new URL(`http://${this.#options.address}`), {
      take: (bytes) => {
        try {
          client.take(bytes);
        } catch (error) {
          wire.close();
          lose(error as Error);
        }
        if (client.isGoingAway && client.openStreams === 0) wire.close();
      },
      lost: (error) => lose(error),
    });
    const client = new Http2Client((bytes) => wire.write(bytes));
    const opened = { client, wire };
    const lose = (error: Error): void => {
      this.#session = undefined;
      client.fail(error);
    };
    return opened;
  }

  #forget(session: Promise<Session>): void {
    if (this.#session === session) this.#session = undefined;
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
