/**
 * Decides what this process is: a verb of the command line, or a child that a supervisor forked. Each loads its own modules only:
 * a keeper has no use for the fronts, nor a worker for the command line, and loading is most of what a start costs.
 */
import type { StorageComposition } from './storage-composition.ts';
import { ROLE_VERBS } from './supervisor/messages.ts';

/** @param entry the script that this process runs, which its children run too */
export async function run(process: NodeJS.Process, entry: string, composition: StorageComposition): Promise<void> {
  const verb = process.argv[2];
  if (process.send === undefined || (verb !== ROLE_VERBS.keeper && verb !== ROLE_VERBS.worker)) {
    const { runVerbOf } = await import('./command.ts');
    return runVerbOf(process, entry, composition);
  }
  const { startRole } = await import('./gateway.ts');
  const { followSupervisor } = await import('./supervisor/parent-link.ts');
  followSupervisor(process, (setup) => startRole(setup, composition, process));
  // A worker is told to start when the keeper is ready; it loads meanwhile.
  if (verb === ROLE_VERBS.worker) await import('./worker.ts');
}
