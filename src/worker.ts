/** The composition root of a worker: its store, its fronts, and in which order they start and stop. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';
import { systemClock } from './base/clock.ts';
import { LIMITS } from './base/limits.ts';
import type { Log } from './base/log.ts';
import type { Config } from './base/settings.ts';
import { loadEntityHashes } from './format/entity-hash.ts';
import { AdoptedConnections } from './fronts/adopted-connections.ts';
import type { CallEvent, GrpcFront } from './fronts/grpc/front.ts';
import { type BatchStats, newBatchStats } from './fronts/grpc/get-batch.ts';
import { createGrpcFront } from './fronts/grpc/server.ts';
import { penstockMethods } from './fronts/grpc/services.ts';
import type { RequestEvent, S3Front } from './fronts/s3/front.ts';
import { createS3Front } from './fronts/s3/server.ts';
import { openCredentials } from './service/credentials.ts';
import { GRPC_NAMES, type Metric, metric, RequestMetrics, S3_NAMES } from './service/metrics.ts';
import { startProcessMetrics } from './service/process-metrics.ts';
import type { StorageComposition } from './storage-composition.ts';
import type { Grace, WorkerSetup } from './supervisor/messages.ts';
import type { Role } from './supervisor/parent-link.ts';

export async function startWorker(
  setup: WorkerSetup,
  composition: StorageComposition,
  process: NodeJS.Process,
  log: Log,
): Promise<Role> {
  const { config } = setup;
  const own = startProcessMetrics(setup.name, process);
  const requests = new RequestMetrics(S3_NAMES);
  const calls = new RequestMetrics(GRPC_NAMES);
  const batches = newBatchStats();
  const credentials = openCredentials(config.data, {
    clock: systemClock,
    env: process.env,
    onError: (error) =>
      log.error({ error }, 'the keys of this store cannot be read; those that were read last stay in force'),
  });
  const audited = <T extends object>(what: string, record: (event: T) => void) =>
    config.accessLog ? withAccessLog(what, record, log) : record;
  const opened = await composition.openStorage(setup, systemClock, log);
  const s3 = await createS3Front({
    storage: opened.storage,
    credentials,
    clock: systemClock,
    log,
    observe: audited<RequestEvent>('request', (event) => requests.record(event)),
    region: config.region,
    domains: config.domains,
    tls: readTls(config),
  });
  const plane = { storage: opened.storage, credentials, clock: systemClock, log, hashes: await loadEntityHashes() };
  const grpc = createGrpcFront({
    methods: penstockMethods(plane, batches),
    log,
    tls: readTls(config),
    observe: audited<CallEvent>('call', (event) => calls.record({ ...event, operation: operationOf(event.method) })),
  });
  const connections = {
    s3: new AdoptedConnections(s3.server, LIMITS.s3ConnectionsMax),
    grpc: new AdoptedConnections(grpc.server, LIMITS.grpcConnectionsMax),
  };
  await listenPrivately(s3.server, setup);
  return {
    report: () => ({
      metrics: [
        ...own.collect(),
        ...requests.collect(),
        ...calls.collect(),
        ...batchMetrics(batches),
        ...opened.metrics(),
      ],
    }),
    onConnection: (port, socket) => connections[port].adopt(socket),
    stop: async (grace) => {
      log.info({ connections: connections.s3.size, ...grace }, 'draining');
      await Promise.all([drainS3(s3, connections.s3, grace), drainGrpc(grpc, connections.grpc, grace.busyMs)]);
      await opened.stop();
      own.stop();
    },
  };
}

/**
 * A server of node:http enforces its time limits only once it listens, and clients' connections come from the supervisor. So it
 * listens where nobody else can connect: in the gateway's private folder.
 */
async function listenPrivately(server: Server, setup: WorkerSetup): Promise<void> {
  server.listen(join(dirname(setup.keeperSocket), `${setup.session.slice(0, 8)}.sock`));
  await once(server, 'listening');
}

async function drainS3(s3: S3Front, connections: AdoptedConnections, grace: Grace): Promise<void> {
  const endMs = performance.now() + grace.busyMs;
  s3.closeAfterAnswers();
  await connections.empty(grace.idleMs);
  const left = Math.max(0, endMs - performance.now());
  await Promise.all([s3.drain(left), connections.empty(left)]); // closes those that are idle, and waits for the others
  connections.destroyAll();
}

async function drainGrpc(grpc: GrpcFront, connections: AdoptedConnections, graceMs: number): Promise<void> {
  await grpc.drain(graceMs);
  connections.destroyAll();
}

/** The audit trail: who did what to which object, when, and how it ended. Never a byte of it. */
function withAccessLog<T extends object>(what: string, record: (event: T) => void, log: Log): (event: T) => void {
  const audit = log.child({ audit: true });
  return (event) => {
    record(event);
    audit.info({ ...event } as Readonly<Record<string, unknown>>, what);
  };
}

/** `/penstock.v1.Batches/GetBatch` is the operation GetBatch. */
function operationOf(method: string): string {
  return method.slice(method.lastIndexOf('/') + 1);
}

function batchMetrics({ batches, ok, failed, unserved, bytes, cacheHits }: BatchStats): Metric[] {
  return [
    metric('counter', 'penstock_batches_total', 'GetBatch calls that were begun.', batches),
    metric('counter', 'penstock_batch_objects_total', 'Slots of GetBatch calls, by what became of them.', [
      { value: ok, labels: { outcome: 'ok' } },
      { value: failed, labels: { outcome: 'failed' } },
      { value: unserved, labels: { outcome: 'unserved' } },
    ]),
    metric('counter', 'penstock_batch_bytes_total', 'Bytes of objects in frames of batches.', bytes),
    metric('counter', 'penstock_batch_cache_hits_total', 'Slots whose bytes were in memory already.', cacheHits),
  ];
}

function readTls({ tls }: Config): { key: Buffer; cert: Buffer } | undefined {
  return tls === undefined ? undefined : { key: readFileSync(tls.key), cert: readFileSync(tls.cert) };
}
