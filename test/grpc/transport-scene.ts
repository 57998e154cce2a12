/** A gRPC front with a method of every kind, and clients for it: grpc-js, node:http2, and frames by hand. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTcp } from 'node:net';
import { Client, type ClientOptions, credentials, type ServiceError } from '@grpc/grpc-js';
import { type Log, silentLog } from '../../src/base/log.ts';
import type { CallEvent, GrpcFront, GrpcFrontDeps } from '../../src/fronts/grpc/front.ts';
import { createGrpcFront } from '../../src/fronts/grpc/server.ts';
import type { CallKind, GrpcMethod, ServerCall } from '../../src/fronts/grpc/server-call.ts';

export const MiB = 1024 * 1024;
export const CHECK = '/grpc.health.v1.Health/Check';
export const WATCH = '/grpc.health.v1.Health/Watch';
export const UNARY = '/test.Test/Unary';
export const MANY = '/test.Test/Many';
export const COLLECT = '/test.Test/Collect';
export const ECHO = '/test.Test/Echo';
/** Of the methods below, when they are not given another. */
export const MESSAGE_BYTES_MAX = 4 * MiB;

export type Handler = (call: ServerCall) => Promise<void>;

export function method(path: string, kind: CallKind, handle: Handler, more: Partial<GrpcMethod> = {}): GrpcMethod {
  return { path, kind, messageBytesMax: MESSAGE_BYTES_MAX, handle, ...more };
}

/** Answers with what it was asked, in every kind of call. */
export const ECHOES: readonly GrpcMethod[] = [
  method(UNARY, 'unary', async (call) => call.write(await call.message())),
  method(MANY, 'server-stream', async (call) => {
    const message = await call.message();
    for (let i = 0; i < 3; i++) await call.write(message);
  }),
  method(COLLECT, 'client-stream', async (call) => {
    const messages: Buffer[] = [];
    for await (const message of call.messages()) messages.push(message);
    await call.write(Buffer.concat(messages));
  }),
  method(ECHO, 'bidi-stream', async (call) => {
    for await (const message of call.messages()) await call.write(message);
  }),
];

/** Lines of a log at level error. */
export function errorLog(lines: Readonly<Record<string, unknown>>[]): Log {
  const error = (facts: Readonly<Record<string, unknown>> | string) => {
    lines.push(typeof facts === 'string' ? { message: facts } : facts);
  };
  return { ...silentLog, error };
}

export class Scene {
  readonly front: GrpcFront;
  readonly events: CallEvent[] = [];
  readonly logged: Readonly<Record<string, unknown>>[] = [];
  readonly sockets = new Set<Socket>();
  readonly #ends: (() => void)[] = [];
  #onEvent: (() => void) | undefined;

  constructor(deps: Partial<GrpcFrontDeps>) {
    this.front = createGrpcFront({
      methods: ECHOES,
      log: errorLog(this.logged),
      observe: (event) => {
        this.events.push(event);
        this.#onEvent?.();
      },
      ...deps,
    });
    this.front.server.prependListener('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  get port(): number {
    return (this.front.server.address() as AddressInfo).port;
  }

  async listen(): Promise<this> {
    this.front.server.listen(0, '127.0.0.1');
    await once(this.front.server, 'listening');
    return this;
  }

  /** The event of the call that is over `count`th. */
  async event(count = 1): Promise<CallEvent> {
    while (this.events.length < count) {
      await new Promise<void>((resolve) => {
        this.#onEvent = resolve;
      });
    }
    return this.events[count - 1] as CallEvent;
  }

  client(options: ClientOptions = {}): Client {
    // Each with connections of its own.
    const own = { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_receive_message_length': -1, ...options };
    const client = new Client(`127.0.0.1:${this.port}`, credentials.createInsecure(), own);
    this.#ends.push(() => client.close());
    return client;
  }

  async session(): Promise<ClientHttp2Session> {
    const session = connect(`http://127.0.0.1:${this.port}`);
    session.on('error', () => {});
    this.#ends.push(() => session.destroy());
    await once(session, 'connect');
    return session;
  }

  async tcp(): Promise<Socket> {
    const socket = connectTcp(this.port, '127.0.0.1');
    socket.on('error', () => {});
    this.#ends.push(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  }

  /** The front still serves a stranger. */
  async assertAlive(): Promise<void> {
    const session = await this.session();
    const stream = request(session, CHECK);
    stream.end(framed(Buffer.alloc(0)));
    assert.equal((await outcome(stream)).headers['grpc-status'], '0');
    session.destroy();
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0)) end();
    const drained = this.front.drain(0);
    this.front.server.close();
    await drained;
  }
}

/** Runs a test with a front, and ends it. */
export function withScene(deps: Partial<GrpcFrontDeps>, run: (scene: Scene) => Promise<void>): () => Promise<void> {
  return async () => {
    const scene = await new Scene(deps).listen();
    try {
      await run(scene);
    } finally {
      await scene.end();
    }
  };
}

export const whole = (message: Buffer): Buffer => message;

export function unary(client: Client, path: string, message: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, whole, whole, message, (error: ServiceError | null, response?: Buffer) =>
      error === null && response !== undefined ? resolve(response) : reject(error),
    );
  });
}

export function request(session: ClientHttp2Session, path: string, more: IncomingHttpHeaders = {}): ClientHttp2Stream {
  return session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  });
}

export interface Outcome {
  /** Those that hold the status: trailers, or headers when there is nothing else. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly rstCode: number;
}

export async function outcome(stream: ClientHttp2Stream): Promise<Outcome> {
  let headers: IncomingHttpHeaders = {};
  const pieces: Buffer[] = [];
  const take = (block: IncomingHttpHeaders) => {
    headers = block;
  };
  stream.on('response', take);
  stream.on('trailers', take);
  stream.on('error', () => {});
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  await new Promise((closed) => stream.once('close', closed)); // `once` of node:events would reject at an error before it
  return { headers, body: Buffer.concat(pieces), rstCode: stream.rstCode ?? 0 };
}

export function framed(message: Buffer, flag = 0): Buffer {
  const prefix = Buffer.from([flag, 0, 0, 0, 0]);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Resolves when the promise that it is given for a name is asked for and kept: steps of a handler that a test waits for. */
export function signalled(): { readonly promise: Promise<void>; readonly tell: () => void } {
  let tell = () => {};
  const promise = new Promise<void>((resolve) => {
    tell = resolve;
  });
  return { promise, tell: () => tell() };
}
