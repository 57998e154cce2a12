/**
 * One connection to a gRPC data plane, of node:http2 and nothing else: a thousand of them fit a process. Promises: a batch counts only what
 * it was asked for, whole, with the CRC-32 that was stored, and only when it ended as batches end.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { mintToken } from '../../src/format/bearer-token.ts';
import { GetBatchRequest, Order } from '../../src/format/messages.ts';
import { BatchSlots, MessageRoom } from '../suite/batch-frames.ts';
import { SILENCE_MS_MAX } from '../suite/wire.ts';
import { outcomeOf, type Wanted } from './batch-check.ts';
import { grpcOf, type Route } from './route.ts';
import { faulty, type Outcome } from './tally.ts';

const PATH = '/penstock.v1.Batches/GetBatch';
const PREFIX_BYTES = 5;
const WINDOW_BYTES = 4 * 2 ** 20;
const TOKEN_MS = 12 * 3600 * 1000;

export class BatchSession {
  readonly #session: ClientHttp2Session;
  readonly #authorization: string;
  #receivedBytes = 0;

  private constructor(session: ClientHttp2Session, { credentials }: Route) {
    this.#session = session;
    this.#authorization = `Bearer ${mintToken({ ...credentials, expiresMs: Date.now() + TOKEN_MS })}`;
    session.on('error', () => {}); // its streams hear it
    session.on('goaway', () => session.close());
  }

  /** @param source address of this machine to come from */
  static open(route: Route, source?: string): Promise<BatchSession> {
    const { host, port } = grpcOf(route);
    const options = { host, port, noDelay: true, ...(source === undefined ? {} : { localAddress: source }) };
    const session = connect(`${route.isTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`, {
      createConnection: () =>
        route.isTls ? connectTls({ ...options, servername: host, ALPNProtocols: ['h2'] }) : connectSocket(options),
      settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => session.destroy(new Error('no session within 30 s')), SILENCE_MS_MAX);
      session.once('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      // Connected is not enough: the server's settings say that it serves.
      session.once('remoteSettings', () => {
        clearTimeout(timer);
        session.setLocalWindowSize(4 * WINDOW_BYTES);
        resolve(new BatchSession(session, route));
      });
    });
  }

  get isOpen(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Never rejects. @param deadlineMs when the call is given up */
  getBatch(bucket: string, wanted: readonly Wanted[], deadlineMs = SILENCE_MS_MAX): Promise<Outcome> {
    if (!this.isOpen) return Promise.resolve(faulty('broken', 'the gRPC connection is closed'));
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': `${Math.ceil(deadlineMs)}m`,
      authorization: this.#authorization,
    });
    stream.end(requestOf(bucket, wanted));
    stream.on('data', (chunk: Buffer) => {
      this.#receivedBytes += chunk.length;
    });
    return answerOf(stream, wanted, deadlineMs);
  }

  close(): void {
    this.#session.destroy();
  }
}

function requestOf(bucket: string, wanted: readonly Wanted[]): Buffer {
  const message = GetBatchRequest.encode({ bucket, keys: wanted.map(({ key }) => key), order: Order.ORDER_COMPLETION });
  const request = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  request.writeUInt8(0, 0);
  request.writeUInt32BE(message.length, 1);
  request.set(message, PREFIX_BYTES);
  return request;
}

function answerOf(stream: ClientHttp2Stream, wanted: readonly Wanted[], deadlineMs: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const slots = new BatchSlots(wanted.length, new MessageRoom());
    let status: string | undefined;
    let trouble: string | undefined;
    // The server ends it at the deadline; a second later it does not.
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), deadlineMs + 1000);
    const take = (headers: IncomingHttpHeaders): void => {
      const said = headers['grpc-status'];
      if (said !== undefined) status = `${String(said)} ${String(headers['grpc-message'] ?? '')}`.trim();
    };
    stream.on('response', take);
    stream.on('trailers', take);
    stream.on('error', (error) => {
      trouble ??= error.message;
    });
    stream.on('data', (chunk: Buffer) => {
      try {
        slots.take(chunk);
      } catch (error) {
        trouble = (error as Error).message;
        stream.close(constants.NGHTTP2_CANCEL);
      }
    });
    stream.on('close', () => {
      clearTimeout(timer);
      if (status === '0' && trouble === undefined) resolve(outcomeOf(wanted, slots));
      else if (status !== undefined && status !== '0')
        resolve(faulty('refused', `a batch ended with status ${status}`));
      else resolve(faulty('broken', `a batch broke off: ${trouble ?? 'it was reset'}`));
    });
  });
}
