/**
 * Settings: flags, then PENSTOCK_* variables, then the config file, then defaults; parsed once, checked once, frozen.
 *
 * Hardest decision: every source becomes the same plain object and one JSON schema (`config/penstock.schema.json`) judges the
 * sum, so that a rule is written once and a wrong value is reported with the place that it came from. The file is plain JSON,
 * with keys that start with `//` as comments, because that needs no parser but Node's.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Ajv, type ErrorObject } from 'ajv';
import type { LogLevel } from './base/log.ts';
import { type Address, type Config, formatAddress, isLoopback, type TlsFiles } from './base/settings.ts';
import type { ServeFlags } from './cli/serve.ts';

/** A setting that cannot be used. The message names it, its value, where it came from, and what to write instead. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export interface ConfigSources {
  readonly flags: ServeFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Default of `workers`. */
  readonly cores: number;
}

type Raw = Record<string, unknown>;
type Setting =
  | 'data'
  | 's3'
  | 'grpc'
  | 'admin'
  | 'workers'
  | 'region'
  | 'domains'
  | 'insecure'
  | 'accessLog'
  | 'logLevel';

/** Where each setting is found: [setting, flag, variable, how its text is read]. */
const SOURCES: readonly (readonly [Setting, keyof ServeFlags, string, (text: string) => unknown])[] = [
  ['data', 'dir', 'PENSTOCK_DATA', asText],
  ['s3', 's3', 'PENSTOCK_S3', asText],
  ['grpc', 'grpc', 'PENSTOCK_GRPC', asText],
  ['admin', 'admin', 'PENSTOCK_ADMIN', asText],
  ['workers', 'workers', 'PENSTOCK_WORKERS', asNumber],
  ['region', 'region', 'PENSTOCK_REGION', asText],
  ['domains', 'domain', 'PENSTOCK_DOMAINS', (text) => text.split(',').map((name) => name.trim())],
  ['insecure', 'insecure', 'PENSTOCK_INSECURE', asSwitch],
  ['accessLog', 'accessLog', 'PENSTOCK_ACCESS_LOG', asSwitch],
  ['logLevel', 'logLevel', 'PENSTOCK_LOG_LEVEL', asText],
];

const DEFAULTS = {
  data: './data',
  s3: '127.0.0.1:9000',
  admin: '127.0.0.1:9001',
  grpc: '127.0.0.1:9002',
  region: 'us-east-1',
  domains: [],
  insecure: false,
  accessLog: false,
  logLevel: 'info',
} as const;

/** What to write, by setting: people read this, not a schema. */
const EXPECTED: Readonly<Record<string, string>> = {
  data: 'the path of a folder',
  s3: 'HOST:PORT, such as 127.0.0.1:9000 or [::1]:9000',
  grpc: 'HOST:PORT, such as 127.0.0.1:9002 or [::1]:9002',
  admin: 'HOST:PORT, such as 127.0.0.1:9001 or [::1]:9001',
  workers: 'a whole number from 1 to 256',
  region: '1 to 64 of a-z, 0-9 and "-", such as us-east-1',
  domains: 'up to 16 host names in lower case, such as s3.example.org',
  tls: 'both a key and a cert (--tls-key and --tls-cert), paths of PEM files',
  insecure: 'true or false',
  accessLog: 'true or false',
  logLevel: 'debug, info, warn or error',
};

function asText(text: string): unknown {
  return text;
}

function asNumber(text: string): unknown {
  return /^\d+$/.test(text) ? Number(text) : text;
}

function asSwitch(text: string): unknown {
  if (text === '1' || text === 'true') return true;
  if (text === '0' || text === 'false' || text === '') return false;
  return text;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** @throws ConfigError */
export function loadConfig({ flags, env, cwd, cores }: ConfigSources): Config {
  const file = flags.config ?? env.PENSTOCK_CONFIG;
  const fromFile = file === undefined ? {} : readConfigFile(resolve(cwd, file), file);
  const raw: Raw = { ...DEFAULTS, workers: cores };
  const origins = new Map<string, string>();
  for (const [key, value] of Object.entries(fromFile)) {
    if (key.startsWith('//') || key === '$schema') continue;
    raw[key] = value;
    origins.set(key, `in ${file}`);
  }
  for (const [setting, flag, variable, read] of SOURCES) {
    const text = env[variable];
    if (text !== undefined) {
      raw[setting] = read(text);
      origins.set(setting, `from ${variable}`);
    }
    const typed = flags[flag];
    if (typed === undefined) continue;
    raw[setting] = typeof typed === 'string' ? read(typed) : typed;
    origins.set(setting, flag === 'dir' ? 'from the command line' : `from --${kebab(flag)}`);
  }
  addTls(raw, flags, env, origins);
  validate(raw, origins);
  return freeze(raw, cwd, origins);
}

function addTls(raw: Raw, flags: ServeFlags, env: ConfigSources['env'], origins: Map<string, string>): void {
  const key = flags.tlsKey ?? env.PENSTOCK_TLS_KEY;
  const cert = flags.tlsCert ?? env.PENSTOCK_TLS_CERT;
  if (key === undefined && cert === undefined) return;
  raw.tls = {
    ...(raw.tls as Raw | undefined),
    ...(key !== undefined && { key }),
    ...(cert !== undefined && { cert }),
  };
  origins.set(
    'tls',
    (flags.tlsKey ?? flags.tlsCert) ? 'from --tls-key and --tls-cert' : 'from PENSTOCK_TLS_KEY and PENSTOCK_TLS_CERT',
  );
}

function readConfigFile(path: string, name: string): Raw {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOENT'
        ? 'does not exist'
        : code === 'EACCES'
          ? 'may not be read by this user'
          : `cannot be read (${code})`;
    throw new ConfigError(`config: the file ${name} ${why}; name another with --config, or leave it out.`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(
      `config: ${name} is not valid JSON: ${(cause as Error).message}. Comments are written as keys that start with "//".`,
      { cause },
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(`config: ${name} does not hold a JSON object; see config/penstock.example.json.`);
  }
  return value as Raw;
}

function validate(raw: Raw, origins: ReadonlyMap<string, string>): void {
  const schema = JSON.parse(readFileSync(new URL('../config/penstock.schema.json', import.meta.url), 'utf8')) as object;
  const check = new Ajv({ verbose: true, strict: true, strictRequired: false }).compile(schema);
  if (check(raw)) return;
  const error = check.errors?.[0];
  throw new ConfigError(error === undefined ? 'config: not valid.' : describe(error, raw, schema, origins));
}

function describe(error: ErrorObject, raw: Raw, schema: object, origins: ReadonlyMap<string, string>): string {
  const path = error.instancePath.split('/').slice(1);
  const setting = path[0];
  if (setting === undefined) {
    const unknown = String(error.params.additionalProperty);
    const known = Object.keys((schema as { properties: object }).properties).filter((name) => name !== '$schema');
    return `config: "${unknown}" (${origins.get(unknown)}) is not a setting; expected one of ${known.join(', ')}.`;
  }
  const value = JSON.stringify(raw[setting]);
  const origin = origins.get(setting) ?? 'a default';
  return `config: ${setting} is ${value} (${origin}); expected ${EXPECTED[setting]}.`;
}

function freeze(raw: Raw, cwd: string, origins: ReadonlyMap<string, string>): Config {
  const tls = raw.tls as TlsFiles | undefined;
  const config: Config = {
    data: resolve(cwd, raw.data as string),
    s3: parseAddress('s3', raw, origins),
    grpc: parseAddress('grpc', raw, origins),
    admin: parseAddress('admin', raw, origins),
    workers: raw.workers as number,
    region: raw.region as string,
    domains: Object.freeze([...(raw.domains as string[])]),
    tls: tls === undefined ? undefined : Object.freeze({ key: resolve(cwd, tls.key), cert: resolve(cwd, tls.cert) }),
    insecure: raw.insecure as boolean,
    accessLog: raw.accessLog as boolean,
    logLevel: raw.logLevel as LogLevel,
  };
  checkExposure(config);
  checkCollisions(config);
  return Object.freeze(config);
}

function parseAddress(setting: 's3' | 'grpc' | 'admin', raw: Raw, origins: ReadonlyMap<string, string>): Address {
  const text = raw[setting] as string;
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (port > 65_535) {
    throw new ConfigError(
      `config: ${setting} is "${text}" (${origins.get(setting)}); ports go from 0 to 65535 (0 lets the system choose).`,
    );
  }
  return Object.freeze({ host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port });
}

function checkExposure(config: Config): void {
  if (config.tls !== undefined || config.insecure) return;
  for (const setting of ['s3', 'grpc', 'admin'] as const) {
    const address = config[setting];
    if (isLoopback(address.host)) continue;
    throw new ConfigError(
      `config: ${setting} is ${formatAddress(address)}, which other machines can reach, and there is no TLS: images and signatures would cross the network in the clear. ` +
        'Give --tls-key and --tls-cert, or bind 127.0.0.1, or say --insecure if something in front of Penstock does TLS.',
    );
  }
}

function checkCollisions(config: Config): void {
  const taken = new Map<string, string>();
  for (const setting of ['s3', 'grpc', 'admin'] as const) {
    if (config[setting].port === 0) continue;
    const text = formatAddress(config[setting]);
    const other = taken.get(text);
    if (other !== undefined)
      throw new ConfigError(`config: ${other} and ${setting} are both ${text}; give each its own port.`);
    taken.set(text, setting);
  }
}
