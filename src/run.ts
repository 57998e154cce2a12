/** Decides what this process is: a verb of the command line, or a child that a supervisor forked. */
import { readFileSync } from 'node:fs';
import { GatewayError } from './base/errors.ts';
import { EXIT, endingOf } from './cli/exit.ts';
import { createProgram, usageExitCode } from './cli/program.ts';
import { ConfigError } from './config.ts';
import { type StorageComposition, startRole } from './gateway.ts';
import { ROLE_VERBS } from './supervisor/messages.ts';
import { followSupervisor } from './supervisor/parent-link.ts';
import { StartRefusal } from './supervisor/start-refusal.ts';
import { serve } from './supervisor.ts';

/** @param entry the script that this process runs, which its children run too */
export async function run(process: NodeJS.Process, entry: string, composition: StorageComposition): Promise<void> {
  const verb = process.argv[2];
  if (process.send !== undefined && (verb === ROLE_VERBS.keeper || verb === ROLE_VERBS.worker)) {
    followSupervisor(process, (setup) => startRole(setup, composition, process));
    return;
  }
  const version = readVersion();
  const program = createProgram(version, async (flags) => {
    process.exitCode = await serve({ flags, process, entry, version, lockFolder: composition.lockFolder });
  });
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    process.exitCode = report(error, process);
  }
}

function report(error: unknown, process: NodeJS.Process): number {
  const usage = usageExitCode(error);
  if (usage !== undefined) return usage;
  if (error instanceof ConfigError || error instanceof StartRefusal || error instanceof GatewayError) {
    process.stderr.write(`penstock: ${error.message}\n`);
    return error instanceof ConfigError ? EXIT.usage : EXIT.failed;
  }
  const { exitCode, text } = endingOf(error, false);
  process.stderr.write(`penstock: ${text}\n`);
  return exitCode;
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
