/**
 * What a verb sees of the process, so that verbs run in tests with streams of their own. Ctrl-C aborts the signal once, which
 * lets a verb finish with its summary; a second Ctrl-C ends the process at once.
 */
import { once, setMaxListeners } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Environment } from '../service/credentials.ts';
import { EXIT, type ExitCode, endingOf } from './exit.ts';

export interface Terminal {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Environment;
  /** Aborts on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
}

export type Verb = (terminal: Terminal) => Promise<ExitCode>;

/** Writes a line and waits while the reader is slow, so that a long listing takes no memory. */
export async function printLine(stream: Writable, text: string): Promise<void> {
  if (!stream.write(`${text}\n`)) await once(stream, 'drain');
}

export function isTerminal(stream: Writable): boolean {
  return (stream as Writable & { isTTY?: boolean }).isTTY === true;
}

/** Runs a verb on the process and sets its exit code. Never rejects. */
export async function runVerb(verb: Verb): Promise<void> {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal); // one listener for each request in flight
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(new Error('interrupted'));
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const { stdin, stdout, stderr, env } = process;
  process.exitCode = await runToExitCode(verb, { stdin, stdout, stderr, env, signal: controller.signal });
  process.off('SIGINT', interrupt);
  process.off('SIGTERM', interrupt);
}

/** Runs a verb and prints what ended it. */
export async function runToExitCode(verb: Verb, terminal: Terminal): Promise<ExitCode> {
  try {
    return await verb(terminal);
  } catch (error) {
    const ending = endingOf(error, terminal.signal.aborted);
    if (ending.text !== '') terminal.stderr.write(`penstock: ${ending.text}\n`);
    return ending.exitCode;
  }
}

/** For 'error' of stdout and stderr: the reader went away. */
export function exitOnClosedPipe(error: NodeJS.ErrnoException): void {
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed);
}
