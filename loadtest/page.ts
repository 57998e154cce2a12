/**
 * Draws reports of old runs again: `npm run loadtest -- page FILE.json... [--out FILE.html]`. Of several files it makes one page, where
 * runs of the same scenario stand side by side. Nothing is measured, and the files are only read.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { BenchError } from '../bench/measure/options.ts';
import { exitOnClosedPipe } from '../src/cli/terminal.ts';
import { renderPages } from './suite/page.ts';
import { readReport } from './suite/read-report.ts';

/** More runs than this on one page are too many to look at. */
const FILES_MAX = 32;

function pathFor(files: readonly string[], out: string | undefined): string {
  const [first = ''] = files;
  const beside = files.length === 1 ? `${first.replace(/\.json$/, '')}.html` : join(dirname(first), 'runs.html');
  const path = out ?? beside;
  if (files.some((file) => resolve(file) === resolve(path)))
    throw new BenchError(`--out is "${path}", which is one of the reports; name a file for the page.`);
  return path;
}

function draw(files: readonly string[], { out }: { readonly out?: string }): void {
  if (files.length > FILES_MAX)
    throw new BenchError(`${files.length} files were named; at most ${FILES_MAX} fit on one page.`);
  const path = pathFor(files, out);
  const html = renderPages(files.map(readReport));
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, html);
  } catch (error) {
    throw new BenchError(
      `${path} cannot be written (${(error as NodeJS.ErrnoException).code}); name another with --out.`,
    );
  }
  process.stdout.write(`written: ${path}\n`);
}

const command = new Command('npm run loadtest -- page')
  .description('Draws JSON reports of load tests as one HTML page.')
  .argument('<FILE.json...>', 'reports, in the order of the page')
  .option('--out <FILE.html>', 'the page (default: beside the report; of several: runs.html beside the first)')
  .helpOption('-h, --help', 'print this')
  .configureOutput({ writeErr: () => {} })
  .exitOverride()
  .action(draw);

process.stdout.on('error', exitOnClosedPipe);
try {
  command.parse();
} catch (error) {
  if (!(error instanceof BenchError) && !(error instanceof CommanderError)) throw error;
  const isHelp = error instanceof CommanderError && error.code === 'commander.helpDisplayed';
  if (!isHelp) {
    const hint = error instanceof CommanderError ? '. See --help.' : '';
    process.stderr.write(`loadtest page: ${error.message.replace(/^error: /, '')}${hint}\n`);
    process.exitCode = 2;
  }
}
