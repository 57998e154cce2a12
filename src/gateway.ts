/**
 * What a gateway is made of: the parts that a `StorageComposition` fills, and the start of a forked child in its role. What holds the
 * bytes is handed in, so that a whole gateway also runs on memory, in tests. The worker's fronts are loaded by workers alone.
 */
import { type Clock, systemClock } from './base/clock.ts';
import type { Log } from './base/log.ts';
import type { Storage } from './base/object-store.ts';
import { createProcessLog } from './process-log.ts';
import type { Metric } from './service/metrics.ts';
import { startProcessMetrics } from './service/process-metrics.ts';
import type { ChildSetup, KeeperSetup, WorkerSetup } from './supervisor/messages.ts';
import type { Role } from './supervisor/parent-link.ts';

export interface OpenStorage {
  readonly storage: Storage;
  readonly metrics: () => Metric[];
  readonly stop: () => Promise<void>;
}

export interface OpenKeeper {
  readonly metrics: () => Metric[];
  readonly workerExited: (session: string) => void;
  readonly stop: () => Promise<void>;
}

export interface StorageComposition {
  /** @throws with a message for people when another process holds the store */
  readonly lockFolder: (root: string) => Promise<{ release(): Promise<void> }>;
  readonly openStorage: (setup: WorkerSetup, clock: Clock, log: Log) => Promise<OpenStorage>;
  /** `giveUp` ends the process, when only another one can go on. */
  readonly openKeeper: (setup: KeeperSetup, clock: Clock, log: Log, giveUp: () => void) => Promise<OpenKeeper>;
}

export async function startRole(
  setup: ChildSetup,
  composition: StorageComposition,
  process: NodeJS.Process,
): Promise<Role> {
  process.title = `penstock ${setup.name}`; // what ps and top show
  const log = createProcessLog(setup.name, process.pid, setup.config.logLevel);
  process.on('uncaughtException', (error) => {
    log.error({ error }, `${setup.name} ends after an error that nothing caught`);
    process.exit(1);
  });
  return setup.role === 'keeper'
    ? startKeeper(setup, composition, process, log)
    : (await import('./worker.ts')).startWorker(setup, composition, process, log);
}

async function startKeeper(
  setup: KeeperSetup,
  composition: StorageComposition,
  process: NodeJS.Process,
  log: Log,
): Promise<Role> {
  const own = startProcessMetrics(setup.name, process);
  const keeper = await composition.openKeeper(setup, systemClock, log, () => process.exit(1));
  return {
    report: () => ({ metrics: [...own.collect(), ...keeper.metrics()] }),
    onWorkerExit: (session) => keeper.workerExited(session),
    stop: async () => {
      await keeper.stop();
      own.stop();
    },
  };
}
