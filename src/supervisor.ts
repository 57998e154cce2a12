/**
 * `penstock serve`: the process that owns the ports, the folder and the signals, and conducts one keeper and N workers. It serves no
 * object itself, so nothing that a request does can end it.
 *
 * Order of start: settings, folder, lock, root credential, ports, keeper, workers, admin front, banner. A stop is the reverse, and
 * bounded: what does not end in time is killed, since every acknowledged write is on disk already.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LIMITS } from './base/limits.ts';
import type { Log } from './base/log.ts';
import { type Address, type Config, formatAddress } from './base/settings.ts';
import type { ServeFlags } from './cli/serve.ts';
import { loadConfig } from './config.ts';
import { addUp, countersOf, metricsPage } from './fronts/admin/exposition.ts';
import { type AdminFront, createAdminFront, type TlsPair } from './fronts/admin/server.ts';
import { figuresOf, type GatewayStatus, type ProcessStatus } from './fronts/admin/status.ts';
import { createProcessLog } from './process-log.ts';
import { ensureRootCredential } from './service/credentials.ts';
import { keyFilePath } from './service/key-file.ts';
import { type Metric, metric } from './service/metrics.ts';
import { startProcessMetrics } from './service/process-metrics.ts';
import { startBanner } from './supervisor/banner.ts';
import { ChildFailure } from './supervisor/child.ts';
import { Connections } from './supervisor/connections.ts';
import { prepareFolder } from './supervisor/folder.ts';
import { usableCores, usableMemoryBytes } from './supervisor/machine.ts';
import type { Grace } from './supervisor/messages.ts';
import type { Slot } from './supervisor/slot.ts';
import { portRefusal, StartRefusal, tlsRefusal } from './supervisor/start-refusal.ts';
import { awaitSurvivors, noteChildren } from './supervisor/survivors.ts';
import { WorkerPool } from './supervisor/worker-pool.ts';

export interface SupervisorOptions {
  readonly flags: ServeFlags;
  readonly process: NodeJS.Process;
  /** Script that the children run: this program's own entry. */
  readonly entry: string;
  readonly version: string;
  /** Held for as long as the gateway runs. @throws with a message for people when another process holds the store */
  readonly lockFolder: (root: string) => Promise<{ release(): Promise<void> }>;
}

/**
 * Resolves with the exit code when the gateway has stopped.
 * @throws ConfigError, StartRefusal, KeyFileError: nothing runs then
 */
export async function serve(options: SupervisorOptions): Promise<number> {
  const { process, flags } = options;
  const startedMs = performance.now();
  process.env.UV_THREADPOOL_SIZE ??= String(LIMITS.diskThreads); // for the children: it counts at the start of a process
  const config = loadConfig({ flags, env: process.env, cwd: process.cwd(), cores: usableCores() });
  const tls = readTls(config);
  prepareFolder(config.data, process.pid);
  const lock = await options.lockFolder(config.data);
  const log = createProcessLog('supervisor', process.pid, config.logLevel);
  const supervisor = new Supervisor(config, tls, log, options);
  try {
    await awaitSurvivors(config.data, log);
    await supervisor.start(startedMs);
    return await supervisor.stopped;
  } finally {
    await supervisor.stop({ idleMs: 0, busyMs: 0 });
    await lock.release();
  }
}

function readTls(config: Config): TlsPair | undefined {
  const { tls } = config;
  if (tls === undefined) return undefined;
  const read = (what: 'key' | 'cert') => {
    try {
      return readFileSync(tls[what]);
    } catch (cause) {
      throw tlsRefusal(what, tls[what], cause);
    }
  };
  return { key: read('key'), cert: read('cert') };
}

class Supervisor {
  /** The exit code, once everything has ended. */
  readonly stopped: Promise<number>;
  readonly #config: Config;
  readonly #options: SupervisorOptions;
  readonly #log: Log;
  readonly #connections = new Connections();
  readonly #admin: AdminFront;
  readonly #pool: WorkerPool;
  readonly #ownMetrics;
  readonly #socketFolder: string;
  readonly #startedAtMs = Date.now();
  #addresses: { s3: Address; grpc: Address; admin: Address };
  /** What processes counted that are gone. */
  #retired: Metric[] = [];
  #retiring: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  #signalAtMs = 0;
  #finish: (code: number) => void = () => {};

  constructor(config: Config, tls: TlsPair | undefined, log: Log, options: SupervisorOptions) {
    this.#config = config;
    this.#options = options;
    this.#log = log;
    this.#addresses = { s3: config.s3, grpc: config.grpc, admin: config.admin };
    this.#ownMetrics = startProcessMetrics('supervisor', options.process);
    this.stopped = new Promise((resolve) => {
      this.#finish = resolve;
    });
    // A Unix socket's path has about 100 bytes, which a data folder may exceed; and nobody else may look into this one.
    this.#socketFolder = mkdtempSync(join(tmpdir(), 'penstock-'));
    this.#pool = new WorkerPool({
      config,
      entry: options.entry,
      memoryBytes: usableMemoryBytes(),
      note: (pids) => noteChildren(config.data, pids),
      keeperSocket: join(this.#socketFolder, 'keeper.sock'),
      newSession: () => randomBytes(16).toString('hex'),
      log,
      add: (worker) => this.#connections.add(worker),
      remove: (worker) => this.#connections.remove(worker),
      exited: (worker) => this.#connections.exited(worker),
      retire: ({ metrics }) => {
        this.#retiring = this.#retiring.then(async () => {
          this.#retired = await addUp([this.#retired, countersOf(metrics as readonly Metric[])]);
        });
      },
    });
    this.#admin = createAdminFront(
      {
        unready: () => this.#pool.unready(),
        metrics: async () => metricsPage(await this.#metrics()),
        status: () => this.#status(),
      },
      tls,
    );
  }

  async start(startedMs: number): Promise<void> {
    const { process } = this.#options;
    // Never taken off again: a signal that comes between the stop and the end of the process must not cut the end short.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => this.#onStopSignal(signal));
    process.on('SIGHUP', () => this.#onReload());
    const root = ensureRootCredential(this.#config.data, process.env);
    this.#addresses = {
      s3: await this.#listen('s3', (address) => this.#connections.listen('s3', address)),
      grpc: await this.#listen('grpc', (address) => this.#connections.listen('grpc', address)),
      admin: await this.#listen('admin', (address) => this.#admin.listen(address)),
    };
    try {
      await this.#pool.start();
    } catch (error) {
      if (this.#stopping !== undefined) return; // a signal came while it started
      throw error instanceof ChildFailure ? new StartRefusal(error.message, { cause: error }) : error;
    }
    const startMs = performance.now() - startedMs;
    process.stdout.write(
      startBanner({
        version: this.#options.version,
        data: this.#config.data,
        ...this.#addresses,
        tls: this.#config.tls !== undefined,
        workers: this.#config.workers,
        region: this.#config.region,
        startMs,
        accessKeyId: root.credential.accessKeyId,
        newSecretKey: root.created ? root.credential.secretKey : undefined,
        keyFile: process.env.PENSTOCK_ACCESS_KEY ? undefined : keyFilePath(this.#config.data),
      }),
    );
    this.#log.info(
      { startMs: Math.round(startMs), workers: this.#config.workers, data: this.#config.data },
      'the gateway is ready',
    );
  }

  /** Idempotent: a later call waits for the first. */
  stop(grace: Grace): Promise<void> {
    this.#stopping ??= this.#stopAll(grace);
    return this.#stopping;
  }

  async #stopAll(grace: Grace): Promise<void> {
    this.#connections.close();
    await this.#pool.stop(grace);
    await this.#admin.stop();
    this.#ownMetrics.stop();
    rmSync(this.#socketFolder, { recursive: true, force: true });
  }

  async #listen(port: 's3' | 'grpc' | 'admin', open: (address: Address) => Promise<Address>): Promise<Address> {
    try {
      return await open(this.#config[port]);
    } catch (cause) {
      throw portRefusal(port, this.#config[port], cause);
    }
  }

  #onStopSignal(signal: 'SIGINT' | 'SIGTERM'): void {
    if (this.#stopping !== undefined) {
      if (signal === 'SIGTERM' || performance.now() - this.#signalAtMs < LIMITS.secondSignalMs) return;
      this.#log.warn({ signal }, 'stopping at once');
      this.#pool.kill();
      this.#finish(130);
      return;
    }
    this.#signalAtMs = performance.now();
    this.#log.info(
      { signal, graceMs: LIMITS.drainMs },
      'stopping: running requests are finished first, once more to stop at once',
    );
    this.stop({ idleMs: LIMITS.stopIdleMs, busyMs: LIMITS.drainMs }).then(
      () => {
        this.#log.info('the gateway has stopped');
        this.#finish(0);
      },
      (error: unknown) => {
        this.#log.error({ error }, 'the stop failed');
        this.#finish(1);
      },
    );
  }

  #onReload(): void {
    if (this.#stopping !== undefined) return;
    try {
      const tls = readTls(this.#config);
      if (tls !== undefined) this.#admin.useTls(tls);
    } catch (error) {
      this.#log.error({ error }, `nothing is replaced: ${(error as Error).message}`);
      return;
    }
    void this.#pool.replace();
  }

  async #metrics(): Promise<Metric[]> {
    const reports = await this.#pool.reports();
    await this.#retiring;
    const restarts = this.#slots().map((slot) => ({ value: slot.restarts, labels: { process: slot.name } }));
    const ready = this.#pool.workers.filter((slot) => slot.current?.isReady === true).length;
    const own = [
      metric('counter', 'penstock_process_restarts_total', 'Processes that died and were started again.', restarts),
      metric('gauge', 'penstock_workers_ready', 'Workers that take requests.', ready),
      metric(
        'gauge',
        'penstock_start_time_seconds',
        'When the gateway started, since the epoch.',
        this.#startedAtMs / 1000,
      ),
      metric('gauge', 'penstock_build_info', 'The version that runs.', [
        { value: 1, labels: { version: this.#options.version } },
      ]),
    ];
    const processes = reports.map((report) => report.metrics as readonly Metric[]);
    return addUp([own, this.#ownMetrics.collect(), this.#retired, ...processes]);
  }

  #slots(): Slot[] {
    return [this.#pool.keeper, ...this.#pool.workers];
  }

  async #status(): Promise<GatewayStatus> {
    const { s3, grpc, admin } = this.#addresses;
    return {
      version: this.#options.version,
      pid: this.#options.process.pid,
      ready: this.#pool.unready().length === 0,
      startedMs: this.#startedAtMs,
      uptimeMs: Date.now() - this.#startedAtMs,
      data: this.#config.data,
      addresses: { s3: formatAddress(s3), grpc: formatAddress(grpc), admin: formatAddress(admin) },
      tls: this.#config.tls !== undefined,
      keeper: processStatus(this.#pool.keeper),
      workers: this.#pool.workers.map(processStatus),
      ...figuresOf(await this.#metrics()),
    };
  }
}

function processStatus(slot: Slot): ProcessStatus {
  const child = slot.current;
  const state = child === undefined ? 'down' : child.isReady ? 'ready' : 'starting';
  return { name: slot.name, pid: child?.pid, state, restarts: slot.restarts };
}
