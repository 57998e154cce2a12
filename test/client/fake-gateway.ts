/** A gRPC server on node:http2 that does what a test tells it, also what no server should: streams without trailers, resets, cut connections. */
import { once } from 'node:events';
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { PacingClock } from '../../src/client/pacing.ts';
import type { PenstockError } from '../../src/client/penstock-error.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import {
  BatchFrame,
  ErrorInfo,
  type GetBatchRequest,
  GetBatchRequest as GetBatchRequestType,
  PutChunk,
  PutFrame,
  type PutHeader,
  RetryInfo,
  type Status,
} from '../../src/format/messages.ts';

const PREFIX = 5;

export class FakeCall {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly #stream: ServerHttp2Stream;
  readonly #socket: Socket;
  readonly #messages: AsyncGenerator<Buffer>;
  readonly closed: Promise<unknown>;

  constructor(stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>, socket: Socket) {
    this.#stream = stream;
    this.#socket = socket;
    this.headers = headers;
    this.closed = new Promise((resolve) => stream.once('close', resolve));
    stream.on('error', () => {}); // a reset is no error of the test
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    this.#messages = readMessages(stream);
  }

  get rstCode(): number {
    return this.#stream.rstCode ?? 0;
  }

  /** The next message of the client; `undefined` when it sends no more. */
  async next(): Promise<Buffer | undefined> {
    const { value, done } = await this.#messages.next();
    return done === true ? undefined : value;
  }

  async getBatchRequest(): Promise<GetBatchRequest> {
    return GetBatchRequestType.decode((await this.next()) as Buffer);
  }

  /** Resolves when the message has left this process. */
  send(message: Uint8Array): Promise<void> {
    const framed = Buffer.alloc(PREFIX + message.length);
    framed.writeUInt32BE(message.length, 1);
    framed.set(message, PREFIX);
    return new Promise((resolve) => this.#stream.write(framed, () => resolve()));
  }

  end(status = 0, message = '', details?: Buffer): void {
    if (this.#stream.closed || this.#stream.destroyed) return;
    this.#stream.once('wantTrailers', () =>
      this.#stream.sendTrailers({
        'grpc-status': status,
        'grpc-message': encodeURI(message),
        ...(details && { 'grpc-status-details-bin': details.toString('base64') }),
      }),
    );
    this.#stream.end();
  }

  /** Resets the stream, once what was sent is on its way. */
  reset(code: number): void {
    setImmediate(() => this.#stream.close(code));
  }

  cutConnection(): void {
    setImmediate(() => this.#socket.destroy());
  }
}

async function* readMessages(stream: ServerHttp2Stream): AsyncGenerator<Buffer> {
  let have: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of stream) {
      have = Buffer.concat([have, chunk as Buffer]);
      while (have.length >= PREFIX && have.length >= PREFIX + have.readUInt32BE(1)) {
        const end = PREFIX + have.readUInt32BE(1);
        yield have.subarray(PREFIX, end);
        have = have.subarray(end);
      }
    }
  } catch {
    // the client went away
  }
}

/** What to do with the first, the second, ... call of a method; the last one does the rest. */
export type Script = readonly ((call: FakeCall) => Promise<void> | void)[];

export interface FakeGateway {
  readonly endpoint: string;
  readonly port: number;
  /** Calls so far. */
  readonly calls: FakeCall[];
  stop(): Promise<void>;
}

/** @param scripts by method: `Batches/GetBatch` */
export async function startFakeGateway(scripts: Readonly<Record<string, Script>>, port = 0): Promise<FakeGateway> {
  const server = createServer({ settings: { initialWindowSize: 1 << 20 } });
  const sessions = new Map<ServerHttp2Session, Socket>();
  const counts = new Map<string, number>();
  const calls: FakeCall[] = [];
  let newest: Socket | undefined;
  server.prependListener('connection', (socket: Socket) => {
    newest = socket;
  });
  server.on('session', (session: ServerHttp2Session) => {
    session.setLocalWindowSize(1 << 22);
    session.on('error', () => {});
    sessions.set(session, newest as Socket);
  });
  server.on('stream', (stream, headers) => {
    const method = String(headers[':path']).replace('/penstock.v1.', '');
    const script = scripts[method] ?? [];
    const count = counts.get(method) ?? 0;
    counts.set(method, count + 1);
    const session = stream.session as ServerHttp2Session;
    const call = new FakeCall(stream, headers, sessions.get(session) as Socket);
    calls.push(call);
    const act = script[Math.min(count, script.length - 1)];
    if (act === undefined) call.end(12, `no method ${method}`);
    else Promise.resolve(act(call)).catch((error: unknown) => call.end(13, String(error)));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { port: chosen } = server.address() as AddressInfo;
  return {
    endpoint: `127.0.0.1:${chosen}`,
    port: chosen,
    calls,
    async stop() {
      for (const socket of sessions.values()) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface FakeEntry {
  readonly slot: number;
  readonly bytes?: Buffer;
  readonly offset?: number;
  readonly size?: number;
  readonly crc32?: number;
  readonly etag?: string;
  readonly error?: Status;
}

/** A frame whose entries are well-formed unless they say otherwise. */
export function frameOf(entries: readonly FakeEntry[], end?: { readonly unserved?: readonly number[] }): Buffer {
  const bytesOf = (entry: FakeEntry): Buffer => entry.bytes ?? Buffer.alloc(0);
  return BatchFrame.encode({
    entries: entries.map((entry) => ({
      slot: entry.slot,
      length: bytesOf(entry).length,
      objectOffset: entry.offset ?? 0,
      objectSize: entry.size ?? bytesOf(entry).length,
      crc32: entry.crc32 ?? crc32Of(bytesOf(entry), 0) >>> 0,
      etag: entry.etag ?? 'e',
      error: entry.error,
    })),
    end: end && { unservedSlots: end.unserved ?? [] },
    payload: Buffer.concat(entries.map(bytesOf)),
  });
}

/** The frames of a PutBatch, taken apart. */
export async function* readPuts(call: FakeCall): AsyncGenerator<{
  readonly payloadBytes: number;
  readonly entries: readonly {
    readonly slot: number;
    readonly key: string;
    readonly header: PutHeader;
    readonly bytes: Buffer;
    readonly crc32: number | undefined;
  }[];
}> {
  for (let message = await call.next(); message !== undefined; message = await call.next()) {
    const { entries, payload } = PutFrame.decode(message);
    let at = 0;
    yield {
      payloadBytes: payload.length,
      entries: entries.map(({ slot, header, length, crc32 }) => {
        at += length;
        return {
          slot,
          key: header?.key ?? '',
          header: header as PutHeader,
          bytes: payload.subarray(at - length, at),
          crc32,
        };
      }),
    };
  }
}

/** The chunks of a Put. */
export async function* readChunks(call: FakeCall): AsyncGenerator<PutChunk> {
  for (let message = await call.next(); message !== undefined; message = await call.next())
    yield PutChunk.decode(message);
}

/** A google.rpc.Status as the gateway makes it. */
export function statusOf(code: number, message: string, reason: string, retryAfterMs?: number): Status {
  const details = [
    {
      typeUrl: `type.googleapis.com/${ErrorInfo.fullName}`,
      value: ErrorInfo.encode({ reason, domain: 'penstock', metadata: {} }),
    },
  ];
  if (retryAfterMs !== undefined) {
    const retryDelay = { seconds: Math.floor(retryAfterMs / 1000), nanos: (retryAfterMs % 1000) * 1e6 };
    details.push({
      typeUrl: `type.googleapis.com/${RetryInfo.fullName}`,
      value: RetryInfo.encode({ retryDelay }),
    });
  }
  return { code, message, details };
}

/** A clock whose pauses take no time and are written down. */
export function hastyClock(): PacingClock & { readonly pauses: number[] } {
  const pauses: number[] = [];
  return {
    pauses,
    now: () => performance.now(),
    random: () => 0.5,
    async sleep(ms, signal) {
      pauses.push(ms);
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    },
  };
}

/** For `assert.rejects` and results: code, reason and message in one line. */
export function told({ status, reason, message }: PenstockError): string {
  return `${status} ${reason ?? '-'} ${message}`;
}
