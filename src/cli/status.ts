/**
 * `penstock status`: a running gateway at a glance, from the JSON of its admin front. On a terminal the view is redrawn every
 * second with the rates since the last look; elsewhere it is printed once.
 */
import type { Writable } from 'node:stream';
import { json } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { GatewayStatus, ProcessStatus } from '../fronts/admin/status.ts';
import { parseEndpoint } from './connection.ts';
import { CliError, EXIT, EXIT_HELP, type ExitCode } from './exit.ts';
import { formatBytes, formatCount, formatDuration } from './figures.ts';
import { httpConnections } from './http-exchange.ts';
import { pause, transportCode } from './retry.ts';
import { storedLines } from './stored-lines.ts';
import { isTerminal, printLine, runVerb, type Terminal } from './terminal.ts';

export interface StatusOptions {
  readonly admin?: string;
  readonly once?: boolean;
  readonly json?: boolean;
}

const DEFAULT_ADMIN = 'http://127.0.0.1:9001';
const INTERVAL_MS = 1000;
const SILENCE_MS_MAX = 5000;

const EXAMPLES = `
Examples:
  penstock status                               live view of the gateway on this machine; Ctrl-C ends it
  penstock status --once                        printed once
  penstock status --json | jq .ready            for scripts
  penstock status --json | jq .stored.backlog   what the keeper has not looked at yet
  penstock status --admin http://10.0.0.5:9001

Exit code 0 when the gateway is ready, 1 when it runs but is not.${EXIT_HELP}`;

export function register(program: Command): void {
  program
    .command('status')
    .summary('show a running gateway')
    .description('Show a running gateway: processes, requests, bytes, what is stored by class of content, and caches.')
    .option('--admin <URL>', `address of the admin front (default: PENSTOCK_ADMIN, else ${DEFAULT_ADMIN})`)
    .option('--once', 'print once, also on a terminal')
    .option('--json', 'print once, as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: StatusOptions) => {
      await runVerb((terminal) => showStatus(options, terminal));
    });
}

/** PENSTOCK_ADMIN is HOST:PORT for `serve`, so both forms are read. @throws CliError of usage */
export function adminEndpoint(options: StatusOptions, env: Terminal['env']): URL {
  const text = options.admin ?? (env.PENSTOCK_ADMIN || DEFAULT_ADMIN);
  return parseEndpoint(
    text.includes('://') ? text : `http://${text}`,
    options.admin === undefined ? 'PENSTOCK_ADMIN' : '--admin',
  );
}

export async function fetchStatus(endpoint: URL, signal: AbortSignal): Promise<GatewayStatus> {
  const connections = httpConnections(endpoint, 1);
  try {
    const reply = await connections.exchange({
      method: 'GET',
      target: '/status',
      signal,
      silenceMsMax: SILENCE_MS_MAX,
    });
    const body = await json(reply);
    if (reply.statusCode !== 200) throw notThere(endpoint, `status ${reply.statusCode}`);
    return body as GatewayStatus;
  } catch (error) {
    if (signal.aborted || error instanceof CliError) throw error;
    throw notThere(endpoint, transportCode(error) ?? (error as Error).message, error);
  } finally {
    connections.close();
  }
}

function notThere(endpoint: URL, why: string, cause?: unknown): CliError {
  const advice = 'Start one with `penstock serve`, or name its admin address with --admin or PENSTOCK_ADMIN.';
  return new CliError(
    `No admin front of a gateway answers at ${endpoint.origin} (${why}). ${advice}`,
    EXIT.unreachable,
    cause,
  );
}

export async function showStatus(options: StatusOptions, terminal: Terminal): Promise<ExitCode> {
  const endpoint = adminEndpoint(options, terminal.env);
  const first = await fetchStatus(endpoint, terminal.signal);
  if (options.json === true) await printLine(terminal.stdout, JSON.stringify(first));
  else if (options.once === true || !isTerminal(terminal.stdout))
    await printLine(terminal.stdout, statusLines(first, undefined).join('\n'));
  else return watch(endpoint, first, terminal);
  return first.ready ? EXIT.ok : EXIT.failed;
}

async function watch(endpoint: URL, first: GatewayStatus, terminal: Terminal): Promise<ExitCode> {
  let before: GatewayStatus | undefined;
  let now = first;
  let drawn = 0;
  while (!terminal.signal.aborted) {
    drawn = draw(terminal.stdout, [...statusLines(now, before), '', 'Ctrl-C ends this view, not the gateway.'], drawn);
    try {
      await pause(INTERVAL_MS, terminal.signal);
      before = now;
      now = await fetchStatus(endpoint, terminal.signal);
    } catch (error) {
      if (!terminal.signal.aborted) throw error;
    }
  }
  return EXIT.ok; // Ctrl-C is how this view is meant to end
}

/** Redraws in place: up over what was drawn, each line cleared to its end. */
function draw(out: Writable, allLines: readonly string[], drawnLines: number): number {
  const rows = (out as Writable & { rows?: number }).rows ?? allLines.length + 1;
  const lines = allLines.slice(0, Math.max(1, rows - 1)); // what scrolled away could not be drawn over
  const up = drawnLines === 0 ? '' : `\x1b[${drawnLines}A`;
  out.write(`${up}${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
  return lines.length;
}

function processText({ name, pid, state, restarts }: ProcessStatus): string {
  return `${name} ${pid ?? '-'} ${state}${restarts > 0 ? ` (restarted ${formatCount(restarts)}x)` : ''}`;
}

/** The view as lines; with an earlier look, rates since then. Pure. */
export function statusLines(now: GatewayStatus, before: GatewayStatus | undefined): string[] {
  const state = now.ready ? 'ready' : 'NOT READY';
  const lines = [
    `Penstock ${now.version}  ${state}  up ${formatDuration(now.uptimeMs)}  pid ${now.pid}  data ${now.data}`,
    `s3 ${now.addresses.s3}${now.tls ? ' (TLS)' : ''}  grpc ${now.addresses.grpc}  admin ${now.addresses.admin}`,
    [now.keeper, ...now.workers].map(processText).join(', '),
    '',
    ...traffic(now, before),
    ...figureLines(now.figures),
  ];
  const stored = storedLines(now, before);
  return [...lines, ...(stored.length === 0 ? [] : ['', ...stored]), '', ...operationLines(now, before)];
}

function secondsBetween(now: GatewayStatus, before: GatewayStatus | undefined): number {
  return before === undefined ? 0 : Math.max(0.001, (now.uptimeMs - before.uptimeMs) / 1000);
}

function traffic(now: GatewayStatus, before: GatewayStatus | undefined): string[] {
  const seconds = secondsBetween(now, before);
  const rate = (current: number, earlier: number | undefined): string =>
    earlier === undefined ? '' : `  ${formatBytes(Math.max(0, current - earlier) / seconds)}/s`;
  return [
    `sent      ${formatBytes(now.sentBytes).padStart(10)}${rate(now.sentBytes, before?.sentBytes)}`,
    `received  ${formatBytes(now.receivedBytes).padStart(10)}${rate(now.receivedBytes, before?.receivedBytes)}`,
  ];
}

const LABELS: Readonly<Record<string, string>> = {
  store_objects: 'objects',
  store_live_bytes: 'live',
  store_dead_bytes: 'dead',
  disk_free_bytes: 'disk free',
  cache_bytes: 'cache',
};

function figureLines(figures: Readonly<Record<string, number>>): string[] {
  const shown = Object.entries(LABELS).flatMap(([name, label]) => {
    const value = figures[name];
    if (value === undefined) return [];
    return [`${label} ${name.endsWith('_bytes') ? formatBytes(value) : formatCount(value)}`];
  });
  const { cache_hits_total: hits, cache_misses_total: misses } = figures;
  if (hits !== undefined && misses !== undefined && hits + misses > 0)
    shown.push(`cache hits ${((100 * hits) / (hits + misses)).toFixed(1)} %`);
  return shown.length === 0 ? [] : [`store     ${shown.join(', ')}`];
}

function operationLines(now: GatewayStatus, before: GatewayStatus | undefined): string[] {
  if (now.operations.length === 0) return ['no requests yet'];
  const seconds = secondsBetween(now, before);
  const earlier = new Map(before?.operations.map((operation) => [operation.operation, operation.requests]));
  const head = `${'operation'.padEnd(24)}${'requests'.padStart(14)}${'/s'.padStart(10)}${'errors'.padStart(10)}${'mean ms'.padStart(10)}${'p99 ms'.padStart(10)}`;
  const rows = now.operations.map(({ operation, requests, errors, meanMs, p99Ms }) => {
    const perSecond = before === undefined ? '' : formatCount((requests - (earlier.get(operation) ?? 0)) / seconds);
    const p99 = p99Ms === null ? '-' : `<${p99Ms}`;
    return `${operation.padEnd(24)}${formatCount(requests).padStart(14)}${perSecond.padStart(10)}${formatCount(errors).padStart(10)}${meanMs.toFixed(2).padStart(10)}${p99.padStart(10)}`;
  });
  return [head, ...rows];
}
