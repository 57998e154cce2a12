/** Starts a forked child in its role. What holds the bytes is handed in; the fronts are loaded by workers alone. */
import { systemClock } from './base/clock.ts';
import type { Log } from './base/log.ts';
import { createProcessLog } from './process-log.ts';
import { startProcessMetrics } from './service/process-metrics.ts';
import type { StorageComposition } from './storage-composition.ts';
import type { ChildSetup, KeeperSetup } from './supervisor/messages.ts';
import type { Role } from './supervisor/parent-link.ts';

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
