/**
 * `penstock doctor [DIR]`: reads every record and names what is damaged; `--rebuild-index` makes the index anew from the
 * volumes. The examination only reads, so it also runs beside a gateway that serves; a rebuild needs the folder for itself.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CodecPool } from '../codec/codec-pool.ts';
import { type DoctorReport, examineStore } from '../store/doctor.ts';
import { acquireFolderLock } from '../store/folder-lock.ts';
import { IndexDatabase } from '../store/index-database.ts';
import { type RebuildReport, rebuildIndex } from '../store/rebuild.ts';
import { indexFolder, repairStoreFile } from '../store/store-root.ts';
import { dataFolder } from './connection.ts';
import { CliError, EXIT, EXIT_HELP, type ExitCode } from './exit.ts';
import { formatBytes, formatCount, plural } from './figures.ts';
import { isTerminal, printLine, runVerb, type Terminal } from './terminal.ts';

export interface DoctorOptions {
  readonly rebuildIndex?: boolean;
  readonly deep?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  penstock doctor                             examine ./data; also while a gateway serves it
  penstock doctor /flash/penstock --json      one JSON object, for scripts
  penstock doctor /flash/penstock --rebuild-index
                                              with the gateway stopped: make the index anew, then examine

What is damaged keeps answering an error (DataLoss) instead of wrong bytes. Put a damaged object again, or delete it.
Exit codes: 0 all is well; 1 something is damaged or could not be read; 2 wrong usage.`;

export function register(program: Command): void {
  program
    .command('doctor')
    .summary('verify every record, name damaged objects, rebuild the index')
    .description('Verify every record of a store, name damaged objects, and rebuild the index from the volumes.')
    .argument('[DIR]', 'data folder of the gateway (default: PENSTOCK_DATA, else ./data)')
    .option('--rebuild-index', 'make the index anew from the volumes first; no gateway may hold the folder')
    .option('--deep', 'decode every coded object too, and compare it with the checksum of what was written')
    .option('--json', 'print the findings as one JSON object')
    .addHelpText('after', EXAMPLES + EXIT_HELP)
    .action(async (dir: string | undefined, options: DoctorOptions) => {
      await runVerb((terminal) => doctor(dir, options, terminal));
    });
}

export async function doctor(dir: string | undefined, options: DoctorOptions, terminal: Terminal): Promise<ExitCode> {
  const root = dataFolder(dir === undefined ? {} : { dir }, terminal.env);
  const rebuilt = options.rebuildIndex === true ? await rebuild(root, terminal) : undefined;
  if (!existsSync(join(indexFolder(root), 'data.mdb'))) {
    throw new CliError(
      `There is no index in ${root}. Name the data folder of a gateway, or run "penstock doctor ${root} --rebuild-index" if its index was lost.`,
    );
  }
  const index = IndexDatabase.open(indexFolder(root), 'read');
  try {
    const coder =
      options.deep === true ? new CodecPool({ threads: availableParallelism(), isBackground: true }) : undefined;
    const report = await examineStore(root, index, progressOn(terminal), coder).finally(() => coder?.close());
    await print(root, report, rebuilt, options, terminal);
    const isWell =
      report.volumeFaults.length === 0 &&
      report.damaged.length === 0 &&
      report.indexFaults.length === 0 &&
      (rebuilt?.unreadable.length ?? 0) === 0;
    return isWell ? EXIT.ok : EXIT.failed;
  } finally {
    await index.close();
  }
}

async function rebuild(root: string, terminal: Terminal): Promise<RebuildReport> {
  if (!existsSync(join(root, 'volumes')))
    throw new CliError(`There are no volumes in ${root}; name the data folder of a gateway.`);
  const lock = await acquireFolderLock(root, 'doctor');
  try {
    const repaired = repairStoreFile(root);
    if (repaired !== undefined) await printLine(terminal.stderr, repaired);
    const say = (_: object, message: string): void => void terminal.stderr.write(`${message}\n`);
    return await rebuildIndex(root, { info: say, warn: say, error: say });
  } finally {
    await lock.release();
  }
}

function progressOn(terminal: Terminal): Parameters<typeof examineStore>[2] {
  if (!isTerminal(terminal.stderr)) return undefined;
  return ({ volume, volumes, bytes, bytesTotal }) => {
    const end = volume === volumes ? '\n' : '';
    terminal.stderr.write(
      `\r\x1b[Kvolume ${volume} of ${volumes}, ${formatBytes(bytes)} of ${formatBytes(bytesTotal)}${end}`,
    );
  };
}

async function print(
  root: string,
  report: DoctorReport,
  rebuilt: RebuildReport | undefined,
  options: DoctorOptions,
  terminal: Terminal,
): Promise<void> {
  const { stdout } = terminal;
  if (options.json === true) return printLine(stdout, JSON.stringify({ folder: root, rebuilt, ...report }));
  if (rebuilt !== undefined) {
    await printLine(
      stdout,
      `Index made anew from ${plural(rebuilt.volumes, 'volume')}: ${plural(rebuilt.records, 'record')}, ${plural(rebuilt.objects, 'object')}.`,
    );
    for (const { path, reason } of rebuilt.unreadable) await printLine(stdout, `Not read: ${path}: ${reason}.`);
  }
  await printLine(
    stdout,
    `${root}: ${plural(report.objects, 'object')} and ${plural(report.records, 'record')} in ${plural(report.volumes, 'volume')}, ${formatBytes(report.bytes)} read, ${formatBytes(report.deadBytes)} for compaction to give back.`,
  );
  for (const fault of report.volumeFaults) await printLine(stdout, `Damage: ${fault}.`);
  for (const fault of report.indexFaults)
    await printLine(stdout, `Index: ${fault}; run "penstock doctor ${root} --rebuild-index".`);
  for (const { bucket, key, reason } of report.damaged)
    await printLine(stdout, `Damaged: s3://${bucket}/${key} (${reason}).`);
  if (report.damaged.length > 0) {
    await printLine(
      stdout,
      `${formatCount(report.damaged.length)} damaged; put them again or delete them. Everything else is intact.`,
    );
  } else if (report.volumeFaults.length === 0 && report.indexFaults.length === 0) {
    await printLine(stdout, 'All is well.');
  } else {
    await printLine(stdout, 'No object is damaged: what is hurt was dead already, or can be read nevertheless.');
  }
}
