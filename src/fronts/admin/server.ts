/**
 * The admin front: is it alive, can it serve, what does it do. It lives in the supervisor, so that it answers while workers are
 * down, and it changes nothing: every route is a GET.
 */
import { type FastifyInstance, fastify } from 'fastify';
import type { Address } from '../../base/settings.ts';
import type { MetricsPage } from './exposition.ts';
import type { GatewayStatus } from './status.ts';

export interface AdminSources {
  /** What is missing before requests can be served; empty when nothing is. */
  readonly unready: () => readonly string[];
  readonly metrics: () => Promise<MetricsPage>;
  readonly status: () => Promise<GatewayStatus>;
}

export interface TlsPair {
  readonly key: Buffer;
  readonly cert: Buffer;
}

export interface AdminFront {
  /** @throws the system's error @returns the address as bound */
  listen(address: Address): Promise<Address>;
  /** For new connections. */
  useTls(tls: TlsPair): void;
  stop(): Promise<void>;
}

const INDEX = `Penstock admin

/healthz   200 while the gateway runs
/readyz    200 while it can serve, else 503 with what is missing
/metrics   for Prometheus
/status    the same for people and scripts, as JSON
`;

export function createAdminFront(sources: AdminSources, tls: TlsPair | undefined): AdminFront {
  const options = { logger: false, forceCloseConnections: true, requestTimeout: 10_000, bodyLimit: 1024 } as const;
  // The two kinds of server differ only in the type of their sockets.
  const app = (tls === undefined ? fastify(options) : fastify({ ...options, https: tls })) as FastifyInstance;
  app.get('/', (_request, reply) => reply.type('text/plain').send(INDEX));
  app.get('/healthz', (_request, reply) => reply.type('text/plain').send('ok\n'));
  app.get('/readyz', (_request, reply) => {
    const missing = sources.unready();
    const text = missing.length === 0 ? 'ready\n' : `not ready: ${missing.join(', ')}\n`;
    return reply
      .code(missing.length === 0 ? 200 : 503)
      .type('text/plain')
      .send(text);
  });
  app.get('/metrics', async (_request, reply) => {
    const page = await sources.metrics();
    return reply.type(page.contentType).send(page.text);
  });
  app.get('/status', async () => sources.status());
  app.setNotFoundHandler((_request, reply) => reply.code(404).type('text/plain').send(INDEX));
  return {
    async listen({ host, port }) {
      await app.listen({ host, port });
      const bound = app.server.address();
      return { host, port: bound !== null && typeof bound === 'object' ? bound.port : port };
    },
    useTls(pair) {
      (app.server as { setSecureContext?: (pair: TlsPair) => void }).setSecureContext?.(pair);
    },
    stop: () => app.close(),
  };
}
