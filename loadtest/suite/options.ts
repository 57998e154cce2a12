/**
 * Options of a scenario: a table of defaults, help and bounds, read by commander. Promises: what a scenario sees is checked already, and a
 * mistake is answered with the option, the value and what was expected.
 */
import { Command, CommanderError, Option } from 'commander';
import { BenchError } from '../../bench/measure/options.ts';

type Value = number | string | boolean;

/** Bounds are inclusive; numbers are whole unless `fractions` is set. Numbers without bounds may be anything from 0. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly fractions?: boolean;
}

/** `{ objects: [1000, 'objects to read', { min: 1, max: 1e6 }], 'only-gets': [false, '…'], mode: ['', '…'] }`. */
export type ScenarioOptions = Readonly<Record<string, readonly [value: Value, help: string, bounds?: Bounds]>>;

type Widened<T> = T extends number ? number : T extends string ? string : boolean;
/** The values by option name, as `options['load-core']`. A text or number that was not given is its default: '' and 0 mean "unset". */
export type ScenarioValues<T extends ScenarioOptions> = { readonly [K in keyof T]: Widened<T[K][0]> };

/** Whom to load, and where to write: every scenario has these. */
export const COMMON_OPTIONS = {
  endpoint: ['', 'S3 address of what runs already, as http://HOST:PORT (default: a gateway of this build is started)'],
  'access-key': ['', 'access key of --endpoint (default: PENSTOCK_ACCESS_KEY, else the root key in --dir)'],
  'secret-key': ['', 'its secret (default: PENSTOCK_SECRET_KEY)'],
  region: ['us-east-1', 'region to sign for'],
  grpc: ['', 'HOST:PORT of the gRPC data plane of --endpoint'],
  dir: ['', 'folder of a gateway that runs on this machine, to take its root key from'],
  'allow-remote': [false, 'load an endpoint that is not on this machine: only if it is yours to load'],
  workers: [1, 'workers of the gateway that is started', { min: 1, max: 64 }],
  compare: ['', 'a second S3 endpoint, loaded in turns with the first in the same run'],
  'compare-access-key': ['', 'access key of --compare (default: that of the first)'],
  'compare-secret-key': ['', 'its secret'],
  seed: [1, 'of sizes, bytes and orders: the same seed makes the same data', { min: 0, max: 2 ** 31 }],
  json: ['', 'file for the JSON report'],
  html: ['', 'file for the page (default for both: ./loadtest-results/NAME-TIME.*)'],
} as const satisfies ScenarioOptions;

/** For scenarios that measure in rounds of a fixed length: spread it into `options`. */
export const ROUND_OPTIONS = {
  rounds: [3, 'rounds; in each, every target is loaded once at every setting', { min: 1, max: 100 }],
  seconds: [5, 'length of one load', { min: 1, max: 3600 }],
} as const satisfies ScenarioOptions;

export type CommonValues = ScenarioValues<typeof COMMON_OPTIONS>;

/** @throws BenchError that names option, value and bounds */
export function numberWithin(name: string, text: string | number, { min, max, fractions = false }: Bounds): number {
  const number = typeof text === 'number' ? text : text.trim() === '' ? Number.NaN : Number(text);
  const isFit = Number.isFinite(number) && (fractions || Number.isInteger(number)) && number >= min && number <= max;
  if (isFit) return number;
  const what = fractions ? 'a number' : 'a whole number';
  throw new BenchError(`--${name} is "${text}"; expected ${what} from ${min} to ${max}.`);
}

/** `1,16,64`. @throws BenchError */
export function numbersWithin(name: string, text: string, bounds: Bounds, countMax = 32): number[] {
  const parts = text.split(',');
  if (parts.length > countMax) throw new BenchError(`--${name} has ${parts.length} values; at most ${countMax}.`);
  return parts.map((part) => numberWithin(name, part, bounds));
}

/** @throws BenchError */
export function oneOf<T extends string>(name: string, text: string, known: readonly T[]): T {
  const found = known.find((value) => value === text);
  if (found !== undefined) return found;
  throw new BenchError(`--${name} is "${text}"; expected ${known.join(' or ')}.`);
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** `10k,1M` in bytes; k, M and G are powers of 1,024. @throws BenchError */
export function sizesWithin(name: string, text: string, { min, max }: Bounds, countMax = 32): number[] {
  const parts = text.split(',');
  if (parts.length > countMax) throw new BenchError(`--${name} has ${parts.length} values; at most ${countMax}.`);
  return parts.map((part) => {
    const [, number = '', unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?\s*$/i.exec(part) ?? [];
    const bytes = Math.round(Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN));
    if (number !== '' && bytes >= min && bytes <= max) return bytes;
    throw new BenchError(`--${name} is "${part}"; expected a size from ${min} to ${max} bytes, as 4096, 16k or 1M.`);
  });
}

function readValue(name: string, given: unknown, [value, , bounds]: ScenarioOptions[string]): Value {
  if (typeof value !== 'number') return given as Value;
  if (given === value) return value;
  return numberWithin(name, given as string, bounds ?? { min: 0, max: Number.MAX_SAFE_INTEGER, fractions: true });
}

function commandOf(name: string, purpose: string, table: ScenarioOptions): Command {
  const command = new Command(`npm run loadtest -- ${name}`).usage('[options]').description(purpose);
  for (const [option, [value, help]] of Object.entries(table)) {
    if (typeof value === 'boolean') command.option(`--${option}`, help);
    else {
      const placeholder = typeof value === 'number' ? 'N' : 'TEXT';
      command.addOption(
        new Option(`--${option} <${placeholder}>`, help + (value === '' ? '' : ` (default: ${value})`)),
      );
    }
  }
  return command
    .helpOption('-h, --help', 'print this')
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({ writeErr: () => {} })
    .addHelpText('after', EXIT_HELP)
    .allowExcessArguments()
    .exitOverride();
}

const EXIT_HELP = `
Exit codes: 0 done; 1 errors, short or wrong bodies, or a goal that was missed; 2 wrong usage; 130 interrupted (the report is written).`;

/**
 * Reads a command line. Prints the help where that was asked for.
 *
 * @returns undefined after the help @throws BenchError for what cannot be understood
 */
export function parseScenario<T extends ScenarioOptions>(
  name: string,
  purpose: string,
  table: T,
  argv: readonly string[],
): ScenarioValues<T> | undefined {
  const command = commandOf(name, purpose, table);
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return undefined;
    throw new BenchError(`${error.message.replace(/^error: /, '').replace('\n', ' ')}. See --help.`);
  }
  if (command.args.length > 0) throw new BenchError(`"${command.args[0]}" is not an option. See --help.`);
  const given = command.opts<Record<string, unknown>>();
  const camel = (option: string): string => option.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  const values = Object.entries(table).map(([option, row]) => [
    option,
    readValue(option, given[camel(option)] ?? row[0], row),
  ]);
  return Object.fromEntries(values) as ScenarioValues<T>;
}
