/** Options of a benchmark: numbers, texts and switches with defaults; `--help` prints them and ends the process. */
import { parseArgs } from 'node:util';

type Value = number | string | boolean;
export type OptionTable = Readonly<Record<string, readonly [value: Value, help: string]>>;

type Widened<T> = T extends number ? number : T extends string ? string : boolean;
export type OptionValues<T extends OptionTable> = { readonly [K in keyof T]: Widened<T[K][0]> };

/** Options that every benchmark with rounds has. */
export const ROUND_OPTIONS = {
  rounds: [7, 'rounds; in each, every contender runs once'],
  json: ['', 'also write everything to this file'],
} as const satisfies OptionTable;

/** A reason to end that the user can do something about. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}

/** @param arguments_ what follows the options, as `PATH...`; empty for none */
export function usageOf(benchmark: string, purpose: string, table: OptionTable, arguments_ = ''): string {
  const lines = Object.entries(table).map(([name, [value, help]]) => {
    const shown = typeof value === 'boolean' ? `--${name}` : `--${name} <${typeof value === 'number' ? 'N' : 'TEXT'}>`;
    const given = typeof value === 'boolean' || value === '' ? '' : ` (default: ${value})`;
    return `  ${shown.padEnd(24)}${help}${given}`;
  });
  const rest = arguments_ === '' ? '' : ` ${arguments_}`;
  return `Usage: npm run bench -- ${benchmark} [options]${rest}\n\n${purpose}\n\n${lines.join('\n')}\n`;
}

/** @throws BenchError that names what cannot be understood */
export function parseOptions<T extends OptionTable>(table: T, argv: readonly string[]): OptionValues<T> {
  return parseLine(table, argv, false).values;
}

function parseLine<T extends OptionTable>(
  table: T,
  argv: readonly string[],
  allowPositionals: boolean,
): { readonly values: OptionValues<T>; readonly positionals: readonly string[] } {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, [value]]) => [
      name,
      { type: typeof value === 'boolean' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  let given: Record<string, unknown>;
  let positionals: readonly string[];
  try {
    ({ values: given, positionals } = parseArgs({ args: [...argv], options, strict: true, allowPositionals }));
  } catch (error) {
    throw new BenchError(`${(error as Error).message} See --help.`);
  }
  const values = Object.entries(table).map(([name, [value]]) => {
    const text = given[name];
    if (text === undefined) return [name, value] as const;
    if (typeof value !== 'number') return [name, text] as const;
    const number = Number(text);
    if (!Number.isFinite(number) || number < 0)
      throw new BenchError(`--${name} is "${String(text)}"; expected a number of 0 or more.`);
    return [name, number] as const;
  });
  return { values: Object.fromEntries(values) as OptionValues<T>, positionals };
}

/** `4,10,16` as numbers above 0. @throws BenchError */
export function parseNumbers(name: string, text: string): number[] {
  const numbers = text.split(',').map(Number);
  if (numbers.every((number) => Number.isFinite(number) && number > 0)) return numbers;
  throw new BenchError(`--${name} is "${text}"; expected numbers above 0 with commas between them.`);
}

/**
 * Runs a benchmark with what the command line says. What the user can act on is printed without a stack.
 *
 * @param arguments_ what may follow the options, for the usage; empty: nothing may
 */
export async function runBenchmark<T extends OptionTable>(
  benchmark: string,
  purpose: string,
  table: T,
  run: (options: OptionValues<T>, positionals: readonly string[]) => Promise<void>,
  arguments_ = '',
): Promise<void> {
  const argv = process.argv.slice(2);
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(usageOf(benchmark, purpose, table, arguments_));
    return;
  }
  try {
    const { values, positionals } = parseLine(table, argv, arguments_ !== '');
    await run(values, positionals);
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    process.stderr.write(`bench ${benchmark}: ${error.message}\n`);
    process.exitCode = 2;
  }
}
