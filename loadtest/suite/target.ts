/**
 * Whom a scenario loads: a gateway of this build, started in a temporary folder and removed at the end, or any S3 endpoint. Promises: nothing
 * that is not on this machine is loaded unless `--allow-remote` says so.
 */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchError } from '../../bench/measure/options.ts';
import { familyOf } from '../../bench/measure/processes.ts';
import { startGateway, untilExamined } from '../../bench/rig/gateway.ts';
import { SIGNER } from '../../bench/rig/signed-requests.ts';
import { DEFAULT_ENDPOINT, parseEndpoint, resolveConnection } from '../../src/cli/connection.ts';
import type { ScenarioContext } from './scenario.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretKey: string;
  readonly region: string;
}

export interface Target {
  /** As it stands in the report. */
  readonly name: string;
  /** Scheme, host and port of S3. */
  readonly endpoint: URL;
  /** `host:port` of the data plane; absent where none is known. */
  readonly grpcAddress?: string;
  readonly credentials: Credentials;
  /** URL of the admin front, of a gateway that the run started. */
  readonly admin?: string;
  /** Every process of it, now; empty when the run did not start it, so that its CPU is not known. */
  pids(): readonly number[];
  /** Resolves when it has no work left from what was uploaded, which would else be counted as the cost of what is measured next. */
  untilQuiet(): Promise<void>;
  /** Stops what the run started, and removes its folder. Idempotent. */
  close(): Promise<void>;
}

export interface TargetSpec {
  /** Default: `penstock`, or the host of an endpoint. */
  readonly name?: string;
  /** Of a gateway that is started; default: --workers. */
  readonly workers?: number;
  /** Core that it is bound to; default 0. `'any'`: none. */
  readonly core?: number | 'any';
}

/** What of a context is needed to open a target. */
export type TargetContext = Pick<ScenarioContext, 'options' | 'owned' | 'report' | 'cores'>;

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** @throws BenchError for an endpoint that is not on this machine, unless that was asked for */
export function refuseRemote(endpoint: URL, option: string, isAllowed: boolean): void {
  if (isAllowed || LOOPBACK.test(endpoint.hostname)) return;
  throw new BenchError(
    `--${option} ${endpoint.origin} is not on this machine; add --allow-remote if it is yours to load.`,
  );
}

/** The first target: that of --endpoint or --dir, else a gateway of this build. @throws BenchError or CliError */
export async function openTarget(context: TargetContext, spec: TargetSpec = {}): Promise<Target> {
  const { endpoint, dir } = context.options;
  const target = endpoint !== '' || dir !== '' ? externalTarget(context, spec) : await ownTarget(context, spec);
  const isOwn = target.pids().length > 0;
  context.report.target({ name: target.name, endpoint: target.endpoint.origin, isOwn });
  return target;
}

/** That of --compare, where it is an address. @throws BenchError or CliError */
export function openPeer({ options, report }: TargetContext, first: Target): Target {
  const endpoint = parseEndpoint(options.compare, '--compare');
  refuseRemote(endpoint, 'compare', options['allow-remote']);
  const [accessKeyId, secretKey] = [options['compare-access-key'], options['compare-secret-key']];
  if ((accessKeyId === '') !== (secretKey === ''))
    throw new BenchError('give both --compare-access-key and --compare-secret-key, or neither.');
  const region = options.region;
  const credentials = accessKeyId === '' ? first.credentials : { accessKeyId, secretKey, region };
  const name = endpoint.host === first.name ? `${endpoint.host}, compared` : endpoint.host;
  report.target({ name, endpoint: endpoint.origin, isOwn: false });
  return { name, endpoint, credentials, ...NOT_OURS };
}

const NOT_OURS = {
  pids: (): readonly number[] => [],
  untilQuiet: (): Promise<void> => Promise.resolve(),
  close: (): Promise<void> => Promise.resolve(),
};

/** @throws BenchError for what is no HOST:PORT, or is elsewhere */
export function checkGrpc(option: string, address: string, mayBeRemote: boolean): void {
  if (!URL.canParse(`http://${address}`) || !/:\d+$/.test(address))
    throw new BenchError(`--${option} is "${address}"; write it as HOST:PORT.`);
  refuseRemote(new URL(`http://${address}`), option, mayBeRemote);
}

function externalTarget({ options }: TargetContext, spec: TargetSpec): Target {
  const { grpc, region } = options;
  const endpoint = parseEndpoint(options.endpoint || process.env.PENSTOCK_ENDPOINT || DEFAULT_ENDPOINT, '--endpoint');
  refuseRemote(endpoint, 'endpoint', options['allow-remote']);
  if (grpc !== '') checkGrpc('grpc', grpc, options['allow-remote']);
  const credentials = { ...keyOf(options), region };
  const grpcAddress = grpc === '' ? {} : { grpcAddress: grpc };
  return { name: spec.name ?? endpoint.host, endpoint, credentials, ...grpcAddress, ...NOT_OURS };
}

function keyOf(options: TargetContext['options']): { accessKeyId: string; secretKey: string } {
  const [accessKeyId, secretKey] = [options['access-key'], options['secret-key']];
  if (accessKeyId !== '' && secretKey !== '') return { accessKeyId, secretKey };
  if (accessKeyId !== '' || secretKey !== '')
    throw new BenchError('give both --access-key and --secret-key, or neither.');
  const found = resolveConnection(options.dir === '' ? {} : { dir: options.dir }, process.env);
  return { accessKeyId: found.accessKeyId, secretKey: found.secretKey };
}

async function ownTarget({ options, owned, report, cores }: TargetContext, spec: TargetSpec): Promise<Target> {
  const { workers = options.workers, core = 0, name = 'penstock' } = spec;
  const folder = owned.temporaryFolder(tmpdir());
  const dir = join(folder, 'store');
  const gateway = await startGateway(owned, {
    dir,
    workers,
    ...(core === 'any' || cores < 2 ? {} : { core }),
    cores,
  });
  report.version('penstock', packageVersion());
  if (cores < 2) report.remark('This machine has one core: target and load shared it.');
  const { accessKeyId, secret: secretKey, region } = SIGNER;
  return {
    name,
    endpoint: new URL(`http://127.0.0.1:${gateway.s3Port}`),
    grpcAddress: `127.0.0.1:${gateway.grpcPort}`,
    credentials: { accessKeyId, secretKey, region },
    admin: gateway.admin,
    pids: () => familyOf(gateway.child.pid as number),
    untilQuiet: () => untilExamined(gateway),
    close: async () => {
      await gateway.stop();
      owned.removeFolder(folder);
    },
  };
}

function packageVersion(): string {
  const path = fileURLToPath(new URL('../../package.json', import.meta.url));
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
