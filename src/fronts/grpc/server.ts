/**
 * The gRPC front on node:http2. In this version it serves `grpc.health.v1` alone, so that orchestrators and load balancers can be set
 * up; every other method answers UNIMPLEMENTED. It never lets a peer that stalls or misbehaves keep its socket.
 *
 * Hardest decision: a session is ended through the socket below it, because no method of a session frees a socket that does not
 * drain.
 */
import {
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Server, Socket } from 'node:net';
import { LIMITS } from '../../base/limits.ts';
import { GRPC_STATUS, GrpcCall } from './call.ts';
import { Health } from './health.ts';
import { decodeHealthRequest, encodeHealthResponse, SERVING_STATUS } from './message.ts';

export interface GrpcFront {
  /** Not listening: connections are given to it with `emit('connection', socket)`. */
  readonly server: Server;
  /** Says GOAWAY, lets calls end, and destroys what is left after the grace. Idempotent. */
  drain(graceMs: number): Promise<void>;
}

const OPTIONS = {
  maxSessionMemory: 64, // MB, and it counts queued output: the default resets healthy streams
  maxSessionRejectedStreams: 1000,
  settings: { maxConcurrentStreams: 100, initialWindowSize: 65_535, maxHeaderListSize: 16_384 },
} as const;

export function createGrpcFront(tls: { readonly key: Buffer; readonly cert: Buffer } | undefined): GrpcFront {
  const health = new Health();
  const sessions = new Map<ServerHttp2Session, Socket>();
  const server = tls === undefined ? createServer(OPTIONS) : createSecureServer({ ...OPTIONS, ...tls });
  let newest: Socket | undefined; // `session.socket` is a proxy that cannot destroy
  server.prependListener(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    newest = socket;
  });
  server.on('session', (session: ServerHttp2Session) => {
    if (newest !== undefined) guardSession(session, newest, sessions);
  });
  server.on('sessionError', () => {}); // the socket's close tells
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
    serveStream(stream, headers, health),
  );
  return { server, drain: createDrain(health, sessions) };
}

/** Ends a session that does not open, does not answer pings, or floods us with its own. */
function guardSession(session: ServerHttp2Session, socket: Socket, sessions: Map<ServerHttp2Session, Socket>): void {
  sessions.set(session, socket);
  const kill = () => socket.destroy();
  let pings = 0;
  let pong: NodeJS.Timeout | undefined;
  const hello = setTimeout(kill, LIMITS.grpcHelloMs);
  const watch = setInterval(() => {
    pings = 0;
    pong = setTimeout(kill, LIMITS.grpcPingTimeoutMs);
    try {
      session.ping((error) => {
        if (error === null) clearTimeout(pong);
      });
    } catch {
      kill();
    }
  }, LIMITS.grpcPingIntervalMs);
  session.on('error', () => {});
  session.once('remoteSettings', () => clearTimeout(hello));
  session.on('ping', () => {
    if (++pings > LIMITS.grpcPingsMax) setImmediate(kill);
  });
  session.once('close', () => {
    sessions.delete(session);
    clearTimeout(hello);
    clearTimeout(pong);
    clearInterval(watch);
  });
}

function serveStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, health: Health): void {
  stream.on('error', () => {}); // without a listener one reset by a client would end the process
  if (headers[':method'] !== 'POST' || !/^application\/grpc(?:[+;]|$)/.test(headers['content-type'] ?? '')) {
    stream.resume();
    stream.respond({ ':status': 415 }, { endStream: true });
    return;
  }
  const call = new GrpcCall(stream, headers);
  switch (headers[':path']) {
    case '/grpc.health.v1.Health/Check':
      call.readMessage((message) => check(call, message, health));
      break;
    case '/grpc.health.v1.Health/Watch':
      call.readMessage((message) => watch(call, stream, message, health));
      break;
    default:
      call.finish(GRPC_STATUS.unimplemented, `Penstock has no method ${headers[':path']}`);
  }
}

function serviceOf(call: GrpcCall, message: Buffer): string | undefined {
  try {
    return decodeHealthRequest(message);
  } catch {
    call.finish(GRPC_STATUS.internal, 'the request is not a HealthCheckRequest');
    return undefined;
  }
}

function check(call: GrpcCall, message: Buffer, health: Health): void {
  const service = serviceOf(call, message);
  if (service === undefined) return;
  const status = health.statusOf(service);
  if (status === undefined) {
    call.finish(GRPC_STATUS.notFound, `Penstock has no service "${service}"`);
    return;
  }
  call.write(encodeHealthResponse(status));
  call.finish(GRPC_STATUS.ok);
}

function watch(call: GrpcCall, stream: ServerHttp2Stream, message: Buffer, health: Health): void {
  const service = serviceOf(call, message);
  if (service === undefined) return;
  const tell = () => call.write(encodeHealthResponse(health.statusOf(service) ?? SERVING_STATUS.serviceUnknown));
  tell();
  health.watch(stream, () => {
    tell();
    call.finish(GRPC_STATUS.unavailable, 'the gateway is shutting down'); // the only change there is
  });
}

function createDrain(health: Health, sessions: ReadonlyMap<ServerHttp2Session, Socket>): GrpcFront['drain'] {
  let drained: Promise<void> | undefined;
  const drain = async (graceMs: number) => {
    health.stopServing();
    const closed = [...sessions].map(
      ([session, socket]) =>
        new Promise<void>((resolve) => {
          const timer = setTimeout(() => socket.destroy(), graceMs);
          session.once('close', () => {
            clearTimeout(timer);
            resolve();
          });
          setImmediate(() => !session.destroyed && session.close());
        }),
    );
    await Promise.all(closed);
  };
  return (graceMs) => {
    drained ??= drain(graceMs);
    return drained;
  };
}
