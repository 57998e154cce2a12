// HOT PATH (bench: every S3 request passes here)
/**
 * The S3 front: fastify on node:http(s), with one route. Promises: no request can end the process; nothing that HTTP leaves
 * unbounded is unbounded here (connections, requests under way, heads, idle and half-open connections, slow bodies); `drain`
 * answers what is under way and then leaves no connection behind.
 *
 * Hardest decision: fastify never sees a target or a Content-Type. Its router decodes and normalises, which S3 keys do not
 * survive, and its parsers judge types that S3 stores unread. So every target is rewritten to "/", the one route hands over to
 * the front (`reply.hijack`), and the target is read from what the client sent.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { fastify } from 'fastify';
import { LIMITS } from '../../base/limits.ts';
import { type Checksums, loadChecksums } from '../../format/checksum.ts';
import { type FastLane, openFastLane } from './fast-lane.ts';
import type { FrontState, S3Front, S3FrontDeps } from './front.ts';
import { handle } from './handle.ts';
import { HostTable } from './hosts.ts';
import { HttpDates } from './http-dates.ts';
import { createHeadRejecter } from './reject.ts';
import type { S3Message } from './request.ts';
import { Verifier } from './verifier.ts';

/** Makes a front; it listens when its `server` is told to. */
export async function createS3Front(deps: S3FrontDeps): Promise<S3Front> {
  const front = createState(deps, await loadChecksums());
  const http = {
    maxHeaderSize: LIMITS.headBytesMax,
    headersTimeout: LIMITS.headMs,
    connectionsCheckingInterval: LIMITS.headCheckMs,
  };
  const app = fastify({
    rewriteUrl: hideFromFastify,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    keepAliveTimeout: LIMITS.idleConnectionMs,
    connectionTimeout: LIMITS.stalledConnectionMs,
    requestTimeout: 0, // the body has its own timer: a slow large upload is fine, a stalled one is not
    clientErrorHandler: createHeadRejecter(front),
    ...(deps.tls === undefined ? { http } : { https: { ...http, handshakeTimeout: LIMITS.headMs, ...deps.tls } }),
  });
  const serve = (req: IncomingMessage, res: ServerResponse) => handle(front, req as S3Message, res);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.all('/', (request, reply) => {
    reply.hijack();
    serve(request.raw, reply.raw);
  });
  // Methods that fastify does not route, and whatever it refuses by itself, are for the front to explain.
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    serve(request.raw, reply.raw);
  });
  app.setErrorHandler((_error, request, reply) => {
    reply.hijack();
    serve(request.raw, reply.raw);
  });
  await app.ready();
  const server = app.server as Server;
  hardenServer(server, front, (req, res) => app.routing(req, res));
  const lane = deps.tls === undefined ? openFastLane(front, server) : undefined;
  const closeAfterAnswers = () => {
    front.draining = true;
  };
  return { server, closeAfterAnswers, drain: createDrain(server, front, lane) };
}

function createState(deps: S3FrontDeps, checksums: Checksums): FrontState {
  const hostId = randomBytes(24).toString('base64');
  return {
    storage: deps.storage,
    credentials: deps.credentials,
    verifier: new Verifier(deps.credentials),
    checksums,
    clock: deps.clock,
    log: deps.log,
    observe: deps.observe,
    region: deps.region,
    hosts: new HostTable(deps.domains),
    dates: new HttpDates(),
    hostId,
    identity: ['x-amz-id-2', hostId, 'Server', 'Penstock'],
    limits: {
      requestsMax: deps.limits?.requestsMax ?? LIMITS.s3RequestsMax,
      connectionsMax: deps.limits?.connectionsMax ?? LIMITS.s3ConnectionsMax,
    },
    idPrefix: randomBytes(4).toString('hex').toUpperCase(),
    requests: 0,
    inFlight: 0,
    collectedBytes: 0,
    batchBytes: 0,
    batchBuffers: [],
    draining: false,
  };
}

function hideFromFastify(req: { headers: IncomingMessage['headers'] }): string {
  const message = req as S3Message;
  const type = message.headers['content-type'];
  if (type !== undefined) {
    message.contentType = type;
    delete message.headers['content-type'];
  }
  return '/';
}

function hardenServer(
  server: Server,
  front: FrontState,
  route: (req: IncomingMessage, res: ServerResponse) => void,
): void {
  // Node 20 hides headers beyond the count while they still frame the body; `maxHeaderSize` is the bound.
  server.maxHeadersCount = 0;
  server.maxConnections = front.limits.connectionsMax;
  server.on('checkContinue', (req: S3Message, res: ServerResponse) => {
    req.expectsContinue = true;
    route(req, res);
  });
  // S3 ignores expectations that it does not know, as RFC 9110 section 10.1.1 allows.
  server.on('checkExpectation', route);
  server.on('timeout', (socket: Duplex & { s3Busy?: boolean }) => {
    // Nothing moved for long. A connection whose request is being worked on (a large copy) is not stalled; all others are.
    if (socket.s3Busy !== true) socket.destroy();
  });
}

function createDrain(server: Server, front: FrontState, lane: FastLane | undefined): S3Front['drain'] {
  let drained: Promise<void> | undefined;
  const drain = async (graceMs: number) => {
    front.draining = true;
    const timer = setTimeout(() => {
      lane?.destroyAll();
      server.closeAllConnections();
    }, graceMs);
    // node:http takes a connection for idle that the lane still writes to, and its `close` would cut it off.
    const written = lane?.closeIdle();
    if (written !== undefined) await written;
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    server.closeIdleConnections();
    void lane?.closeIdle();
    await closed;
    clearTimeout(timer);
  };
  return (graceMs) => {
    drained ??= drain(graceMs);
    return drained;
  };
}
