/**
 * What every test of a foreign client has: a whole gateway of its own, the sample images with their sums, and the client itself, run
 * as a person would run it but with nothing of this machine's settings. Where a client is missing its tests are skipped, unless
 * PENSTOCK_CI says that it must be there: then they fail.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type GatewayProcess, ROOT, startGateway } from '../processes/gateway-process.ts';

/** For a whole file: the slowest takes some 20 s alone on two cores. */
export const LIMIT = { timeout: 240_000 };
const CLIENT_LIMIT_MS = 60_000;

export const ACCESS_KEY = ROOT.PENSTOCK_ACCESS_KEY;
export const SECRET_KEY = ROOT.PENSTOCK_SECRET_KEY;
export const REGION = 'us-east-1';

export interface Sample {
  /** Relative to the folder of samples: also the key that tests store it under. */
  readonly path: string;
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

export const SAMPLE_FOLDER = fileURLToPath(new URL('../../samples/', import.meta.url));

export const SAMPLES: readonly Sample[] = readFileSync(join(SAMPLE_FOLDER, 'manifest.tsv'), 'utf8')
  .trimEnd()
  .split('\n')
  .slice(1)
  .map((line) => {
    const [path = '', bytes, sha256 = ''] = line.split('\t');
    return { path, file: join(SAMPLE_FOLDER, path), bytes: Number(bytes), sha256 };
  });

/** The samples under one of its folders, `mr` say. */
export function samplesOf(folder: string): Sample[] {
  return SAMPLES.filter(({ path }) => path.startsWith(`${folder}/`));
}

/** The first of them, for tests that need one real image. */
export function sampleOf(folder: string): Sample {
  const [first] = samplesOf(folder);
  assert.ok(first, `no samples of ${folder}`);
  return first;
}

export const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const md5 = (bytes: string | Uint8Array): string => createHash('md5').update(bytes).digest('hex');
export const sha256Of = (file: string): string => sha256(readFileSync(file));

/** Every file under a folder with its sum: what a download must equal. */
export function sumsUnder(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file.slice(folder.length).replace(/^\//, ''), sha256Of(file)]),
  );
}

/** The same of samples. */
export function sumsOf(samples: readonly Sample[], cut = 0): Record<string, string> {
  return Object.fromEntries(samples.map((sample) => [sample.path.slice(cut), sample.sha256]));
}

/** Bytes that no compression or de-duplication can shorten, the same for the same seed. */
export function noise(bytes: number, seed: string): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 64 < bytes; i++) blocks.push(createHash('sha512').update(`${seed} ${i}`).digest());
  return Buffer.concat(blocks).subarray(0, bytes);
}

/** Keys that clients and servers are known to change on their way. */
export const HOSTILE_KEYS: readonly string[] = [
  'with space/and  two',
  'plus+sign',
  'percent%2Fencoded%20twice%25',
  'ünïcödé/日本語/😀.dcm',
  'e\u0301 is not é',
  'quote"apostrophe\'<tag>&amp;',
  'query?x=1&y=2#fragment',
  'tilde~star*bang!parens(1)',
  'semi;colon,comma:at@dollar$equals=',
  'brackets[0]{1}|caret^back`tick',
  'back\\slash',
  `long/${'k'.repeat(1019)}`,
];

/** Keys that a path or URL library normalises; only clients that keep their hands off can send them. */
export const PATH_KEYS: readonly string[] = [
  'double//slash',
  '/leading',
  'trailing/',
  'a/../b',
  './dot',
  '../up',
  'dots/..',
  '..',
  '.',
];

export interface ClientResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ClientOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Whether it may end with something else than 0. */
  readonly mayFail?: boolean;
}

/** A gateway in a temporary folder that also serves as the home of the clients. */
export class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'penstock-clients-'));
  #gateway: GatewayProcess | undefined;

  async start(...flags: string[]): Promise<void> {
    this.#gateway = await startGateway(join(this.folder, 'store'), '--workers', '2', ...flags);
  }

  /** `http://127.0.0.1:PORT` */
  get endpoint(): string {
    return this.gateway.s3;
  }

  get gateway(): GatewayProcess {
    assert.ok(this.#gateway, 'the gateway did not start');
    return this.#gateway;
  }

  /** Also holds that no process of the gateway died and that it stops in order. */
  async stop(): Promise<void> {
    const gateway = this.#gateway;
    if (gateway === undefined) return rmSync(this.folder, { recursive: true });
    const { code, stderr } = await gateway.stop();
    rmSync(this.folder, { recursive: true });
    assert.equal(code, 0, `the gateway ended with ${code}:\n${stderr}`);
    const faults = gateway.logs.filter(({ level }) => level === 'error' || level === 'fatal');
    assert.deepEqual(faults, [], 'the gateway logged errors');
  }

  /** A path in the temporary folder. */
  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Runs a client to its end. Fails, with all that the client printed, when the client does. */
  async run(program: string, args: readonly string[], options: ClientOptions = {}): Promise<ClientResult> {
    const env = {
      HOME: this.folder,
      PATH: '/usr/bin:/bin',
      LC_ALL: 'C.UTF-8',
      AWS_ACCESS_KEY_ID: ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: SECRET_KEY,
      AWS_DEFAULT_REGION: REGION,
      AWS_EC2_METADATA_DISABLED: 'true',
      ...options.env,
    };
    const child = spawn(program, args, { env, cwd: this.folder, timeout: CLIENT_LIMIT_MS });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdin.on('error', () => undefined); // it may end before it read everything
    child.stdin.end(options.input ?? '');
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject).once('close', resolve);
    });
    const told = `${program} ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`;
    if (options.mayFail !== true) assert.equal(code, 0, told);
    return { code, stdout, stderr };
  }
}

/** Reason to skip the tests of a client, or `false`: also where the client is missing but PENSTOCK_CI wants it. */
export function absent(file: string): string | false {
  if (existsSync(file) || process.env.PENSTOCK_CI === '1') return false;
  return `${file} is not installed`;
}
