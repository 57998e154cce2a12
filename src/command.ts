/**
 * The command line as a process: parses it, runs its verb, and turns what ends it into text and an exit code. A reader that goes away
 * (`penstock ls | head`, `penstock --help | head`) ends it quietly; a gateway does not end for that.
 */
import { readFileSync } from 'node:fs';
import { GatewayError } from './base/errors.ts';
import { EXIT, endingOf } from './cli/exit.ts';
import { createProgram, usageExitCode } from './cli/program.ts';
import { exitOnClosedPipe } from './cli/terminal.ts';
import { ConfigError } from './config.ts';
import type { StorageComposition } from './storage-composition.ts';
import { StartRefusal } from './supervisor/start-refusal.ts';

export async function runVerbOf(
  process: NodeJS.Process,
  entry: string,
  { lockFolder }: StorageComposition,
): Promise<void> {
  const version = readVersion();
  const program = createProgram(version, async (flags) => {
    for (const stream of [process.stdout, process.stderr]) stream.off('error', exitOnClosedPipe);
    const { serve } = await import('./supervisor.ts');
    process.exitCode = await serve({ flags, process, entry, version, lockFolder });
  });
  for (const stream of [process.stdout, process.stderr]) stream.on('error', exitOnClosedPipe);
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
