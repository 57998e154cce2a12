/** The whole command line: every verb in one program. `serve` is handed in, since a gateway lies above the command line. */
import { Command } from 'commander';
import { EXIT_HELP } from './exit.ts';
import { register as registerServe, type ServeAction } from './serve.ts';

export function createProgram(version: string, serve: ServeAction): Command {
  const program = new Command('penstock')
    .description('Penstock: a storage gateway that feeds training images to GPUs, over S3.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [VERB]', 'print the help of a verb')
    .showHelpAfterError('(--help shows what is possible)')
    .addHelpText('after', EXIT_HELP);
  registerServe(program, serve);
  return program;
}
