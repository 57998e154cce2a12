/**
 * The gRPC front: a server of node:http2 and what it is made of. Our own, because the usual library's server takes 2.5 to 6 times its
 * CPU for a stream of batches. It serves the methods that it is given, health, and reflection, and never lets a peer that stalls or
 * misbehaves keep memory or its socket.
 *
 * Hardest decision: the flow-control windows. Small ones stop uploads at every round trip; large ones let a client fill the memory of
 * a handler that does not read. `LIMITS` has the values, and the only memory that nobody counts is streams times window.
 */
import {
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { LIMITS } from '../../base/limits.ts';
import { GrpcCall } from './call.ts';
import type { FrontState, GrpcFront, GrpcFrontDeps, GrpcFrontLimits } from './front.ts';
import { Health } from './health.ts';
import { reflectionMethods } from './reflection.ts';
import { RequestMemory } from './request-memory.ts';
import type { GrpcMethod } from './server-call.ts';
import { SessionGuard } from './session-guard.ts';

const DEFAULTS: GrpcFrontLimits = {
  helloMs: LIMITS.grpcHelloMs,
  pingIntervalMs: LIMITS.grpcPingIntervalMs,
  pingTimeoutMs: LIMITS.grpcPingTimeoutMs,
  pingsMax: LIMITS.grpcPingsMax,
  stalledMs: LIMITS.grpcStalledMs,
  connectionAgeMs: LIMITS.grpcConnectionAgeMs,
  connectionGraceMs: LIMITS.grpcConnectionGraceMs,
  goodbyeMs: LIMITS.grpcGoodbyeMs,
  streamsMax: LIMITS.grpcStreamsMax,
  streamWindowBytes: LIMITS.grpcStreamWindowBytes,
  connectionWindowBytes: LIMITS.grpcConnectionWindowBytes,
  requestBytesMax: LIMITS.grpcRequestBytesMax,
};

const REFLECTION = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];
const CONTENT_TYPE = /^application\/grpc(?:[+;]|$)/;

export function createGrpcFront(deps: GrpcFrontDeps): GrpcFront {
  const limits = { ...DEFAULTS, ...deps.limits };
  const services = [...new Set([...deps.methods.map(serviceOf), 'grpc.health.v1.Health', ...REFLECTION])].sort();
  const health = new Health(services);
  const methods = new Map<string, GrpcMethod>();
  for (const method of [...deps.methods, ...health.methods, ...reflectionMethods(services)]) {
    methods.set(method.path, method);
  }
  const state: FrontState = {
    log: deps.log,
    observe: deps.observe,
    memory: new RequestMemory(limits.requestBytesMax),
  };
  const guards = new Map<ServerHttp2Session, SessionGuard>();
  const drained = createDrain(health, guards);
  const server =
    deps.tls === undefined
      ? createServer(optionsOf(limits))
      : createSecureServer({ ...optionsOf(limits), ...deps.tls });
  let newest: Socket | undefined; // `session.socket` is a proxy that cannot destroy
  server.prependListener(deps.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    newest = socket;
  });
  server.on('session', (session: ServerHttp2Session) => {
    if (newest === undefined) throw new TypeError('a session of no connection');
    const guard = new SessionGuard(session, newest, limits);
    guards.set(session, guard);
    newest.once('close', () => guards.delete(session));
    if (drained.graceMs !== undefined) guard.drain(drained.graceMs);
  });
  server.on('sessionError', ignore); // its guard sees it
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const guard = stream.session === undefined ? undefined : guards.get(stream.session as ServerHttp2Session);
    if (headers[':method'] !== 'POST' || !CONTENT_TYPE.test(headers['content-type'] ?? '')) refuseForeign(stream);
    else if (guard !== undefined) {
      void new GrpcCall(state, guard, stream, headers, methods.get(headers[':path'] ?? '')).run();
    }
  });
  return { server, drain: drained.drain };
}

function ignore(): void {}

/** `penstock.v1.Objects` */
function serviceOf({ path }: GrpcMethod): string {
  return path.slice(1, path.lastIndexOf('/'));
}

/** What Node takes and its types do not know. */
type NodeOptions = SecureServerOptions & { readonly streamResetBurst: number; readonly streamResetRate: number };

function optionsOf(limits: GrpcFrontLimits): NodeOptions {
  return {
    maxSessionMemory: LIMITS.grpcSessionMemoryMB,
    maxHeaderListPairs: LIMITS.grpcHeaderPairsMax,
    streamResetBurst: LIMITS.grpcResetsBurst,
    streamResetRate: LIMITS.grpcResetsPerSecond,
    unknownProtocolTimeout: limits.helloMs,
    handshakeTimeout: limits.helloMs,
    settings: {
      maxConcurrentStreams: limits.streamsMax,
      initialWindowSize: limits.streamWindowBytes,
      maxHeaderListSize: LIMITS.grpcHeaderBytesMax,
    },
  };
}

/** HTTP that is no gRPC is told so in HTTP. */
function refuseForeign(stream: ServerHttp2Stream): void {
  stream.on('error', ignore);
  stream.resume();
  stream.respond({ ':status': 415 }, { endStream: true });
  setImmediate(() => setImmediate(() => !stream.closed && !stream.destroyed && stream.close()));
}

interface Drain {
  readonly drain: GrpcFront['drain'];
  /** Of the drain that is under way or done. */
  graceMs: number | undefined;
}

function createDrain(health: Health, guards: ReadonlyMap<ServerHttp2Session, SessionGuard>): Drain {
  let ended: Promise<void> | undefined;
  const run = async (graceMs: number) => {
    drained.graceMs = graceMs;
    health.stopServing();
    while (guards.size > 0) {
      await Promise.all(
        [...guards.values()].map((guard) => {
          guard.drain(graceMs);
          return guard.closed();
        }),
      );
    }
  };
  const drained: Drain = {
    graceMs: undefined,
    drain: (graceMs) => {
      ended ??= run(graceMs);
      return ended;
    },
  };
  return drained;
}
