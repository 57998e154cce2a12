/** The whole command line: every verb in one program. `serve` is handed in, since a gateway lies above the command line. */
import { Command, CommanderError } from 'commander';
import { register as registerBucket } from './bucket.ts';
import { register as registerDemo } from './demo.ts';
import { register as registerDoctor } from './doctor.ts';
import { EXIT, EXIT_HELP, type ExitCode } from './exit.ts';
import { register as registerExport } from './export.ts';
import { register as registerGet } from './get.ts';
import { register as registerImport } from './import.ts';
import { register as registerKey } from './key.ts';
import { register as registerLs } from './ls.ts';
import { register as registerPut } from './put.ts';
import { register as registerRm } from './rm.ts';
import { register as registerServe, type ServeAction } from './serve.ts';
import { register as registerStat } from './stat.ts';
import { register as registerStatus } from './status.ts';

/** In the order of the help. */
const VERBS: readonly ((program: Command) => void)[] = [
  registerStatus,
  registerImport,
  registerExport,
  registerLs,
  registerGet,
  registerPut,
  registerRm,
  registerStat,
  registerBucket,
  registerKey,
  registerDoctor,
  registerDemo,
];

/** Wrong usage is thrown as a CommanderError, also by verbs of verbs, after its message was printed. */
export function createProgram(version: string, serve: ServeAction): Command {
  const program = new Command('penstock')
    .description('Penstock: a storage gateway that feeds training images to GPUs, over S3.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [VERB]', 'print the help of a verb')
    .showHelpAfterError('(--help shows what is possible)')
    .addHelpText('after', EXIT_HELP)
    .exitOverride(); // before the verbs, which inherit it
  registerServe(program, serve);
  for (const register of VERBS) register(program);
  return program;
}

/** The exit code of wrong usage, or of help that was asked for; its message was printed. `undefined` for other errors. */
export function usageExitCode(error: unknown): ExitCode | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
