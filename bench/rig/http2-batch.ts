/**
 * GetBatch by node:http2 and nothing else: it counts bytes and does not look into frames, so that it costs the machine little and server
 * and floor can be loaded alike. A batch counts when its call has ended with OK and brought at least the bytes of its objects.
 */
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { mintToken } from '../../src/format/bearer-token.ts';
import { GetBatchRequest, Order } from '../../src/format/messages.ts';
import { SIGNER } from './signed-requests.ts';

export const GET_BATCH_PATH = '/penstock.v1.Batches/GetBatch';
export const PREFIX_BYTES = 5;
/** As large as those of the usual clients are made for such streams: never the limit. */
const STREAM_WINDOW_BYTES = 16 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 64 * 1024 * 1024;

export interface BatchAnswer {
  /** Bytes of messages and their prefixes. */
  readonly bytes: number;
  /** From the request until the first message was whole. */
  readonly firstMs: number;
}

/** A gateway that the benchmark did not start. */
export interface BatchServer {
  /** `host:port`. */
  readonly address: string;
  readonly accessKeyId: string;
  readonly secretKey: string;
}

export class Http2Batches {
  readonly #session: ClientHttp2Session;
  readonly #authorization: string;

  private constructor(session: ClientHttp2Session, { accessKeyId, secretKey }: BatchServer) {
    this.#session = session;
    session.on('error', () => {}); // its streams end with the same error
    this.#authorization = `Bearer ${mintToken({ accessKeyId, secretKey, expiresMs: Date.now() + 3_600_000 })}`;
  }

  /** @param server port of a gateway that the benchmark started, or another one */
  static async open(server: number | BatchServer): Promise<Http2Batches> {
    const { accessKeyId, secret: secretKey } = SIGNER;
    const at = typeof server === 'number' ? { address: `127.0.0.1:${server}`, accessKeyId, secretKey } : server;
    const session = connect(`http://${at.address}`, { settings: { initialWindowSize: STREAM_WINDOW_BYTES } });
    await once(session, 'connect');
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    return new Http2Batches(session, at);
  }

  /** @param see is given everything as it comes */
  get(
    bucket: string,
    keys: string[],
    see?: (chunk: Buffer) => void,
    order: Order = Order.ORDER_COMPLETION,
  ): Promise<BatchAnswer> {
    const message = GetBatchRequest.encode({ bucket, keys, order });
    const request = Buffer.alloc(PREFIX_BYTES + message.length);
    request.writeUInt32BE(message.length, 1);
    request.set(message, PREFIX_BYTES);
    const startedMs = performance.now();
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': GET_BATCH_PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: this.#authorization,
    });
    stream.end(request);
    return new Promise((resolve, reject) => {
      let bytes = 0;
      let firstMs = Number.NaN;
      let firstBytes = Number.POSITIVE_INFINITY;
      let status: string | undefined;
      const take = (headers: IncomingHttpHeaders): void => {
        const said = headers['grpc-status'];
        if (said !== undefined) status = `${String(said)} ${String(headers['grpc-message'] ?? '')}`.trim();
      };
      stream.on('response', take);
      stream.on('trailers', take);
      stream.on('data', (chunk: Buffer) => {
        if (bytes === 0) firstBytes = PREFIX_BYTES + chunk.readUInt32BE(1); // a chunk is never so short
        bytes += chunk.length;
        if (bytes >= firstBytes) {
          firstMs = performance.now() - startedMs;
          firstBytes = Number.POSITIVE_INFINITY;
        }
        see?.(chunk);
      });
      stream.on('error', reject);
      stream.on('close', () => {
        if (status === '0') resolve({ bytes, firstMs });
        else reject(new Error(`a batch ended with status ${status ?? 'none'} after ${bytes} bytes`));
      });
    });
  }

  close(): void {
    this.#session.close();
  }
}

/** How one message lies on the wire: what comes before the payload, byte for byte, and how long that is. */
export interface FrameShape {
  /** Base64: prefix and all fields before the payload's bytes. */
  readonly head: string;
  readonly payloadBytes: number;
}

/** Of whole messages one behind the other, each a BatchFrame whose payload is its last field. Pure. */
export function shapesOf(stream: Buffer): FrameShape[] {
  const shapes: FrameShape[] = [];
  for (let at = 0; at < stream.length; ) {
    const end = at + PREFIX_BYTES + stream.readUInt32BE(at + 1);
    const payloadBytes = payloadIn(stream.subarray(at + PREFIX_BYTES, end));
    shapes.push({ head: stream.toString('base64', at, end - payloadBytes), payloadBytes });
    at = end;
  }
  return shapes;
}

/** Bytes of field 15, which is the last, of a message whose fields all have lengths. */
function payloadIn(message: Buffer): number {
  let at = 0;
  while (at < message.length) {
    const isPayload = message[at] === ((15 << 3) | 2);
    at += 1;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] as number;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    if (isPayload) return length;
    at += length;
  }
  return 0;
}
