/** What a person sees when the gateway is up: where it is, how to get in, what to try next. Pure. */
import { type Address, formatAddress } from '../base/settings.ts';

export interface BannerFacts {
  readonly version: string;
  readonly data: string;
  readonly s3: Address;
  readonly admin: Address;
  readonly grpc: Address;
  readonly tls: boolean;
  readonly workers: number;
  readonly region: string;
  readonly startMs: number;
  readonly accessKeyId: string;
  /** Only on the start that made it. */
  readonly newSecretKey: string | undefined;
  /** `undefined` when the environment sets the root credential. */
  readonly keyFile: string | undefined;
}

function url(address: Address, tls: boolean): string {
  // An address that stands for all interfaces is no address to connect to.
  const host = address.host === '0.0.0.0' ? '127.0.0.1' : address.host === '::' ? '::1' : address.host;
  return `${tls ? 'https' : 'http'}://${formatAddress({ host, port: address.port })}`;
}

export function startBanner(facts: BannerFacts): string {
  const { tls, newSecretKey } = facts;
  const s3 = url(facts.s3, tls);
  const workers = facts.workers === 1 ? '1 worker' : `${facts.workers} workers`;
  const lines = [
    '',
    `  Penstock ${facts.version} is ready (${workers}, ${(facts.startMs / 1000).toFixed(1)} s)`,
    '',
    `    S3      ${s3}   region ${facts.region}`,
    `    gRPC    ${url(facts.grpc, tls)}   batches, for training clients`,
    `    admin   ${url(facts.admin, tls)}   /healthz /readyz /metrics /status`,
    `    data    ${facts.data}`,
    '',
  ];
  if (newSecretKey === undefined) {
    lines.push(
      `    access key   ${facts.accessKeyId}   (${facts.keyFile === undefined ? 'from PENSTOCK_ACCESS_KEY' : `its secret is in ${facts.keyFile}`})`,
      '',
    );
  } else {
    lines.push(
      '    A root credential was made. This is the only time that it is shown; it is kept in',
      `    ${facts.keyFile}, readable by this user alone.`,
      '',
      `    export AWS_ACCESS_KEY_ID=${facts.accessKeyId}`,
      `    export AWS_SECRET_ACCESS_KEY=${newSecretKey}`,
      '',
    );
  }
  lines.push(
    '  Try:',
    `    aws --endpoint-url ${s3} --region ${facts.region} s3 mb s3://scans`,
    `    aws --endpoint-url ${s3} --region ${facts.region} s3 cp image.png s3://scans/`,
    `    curl ${url(facts.admin, tls)}/status`,
    '',
    '  Stop with Ctrl-C.',
    '',
  );
  return `${lines.join('\n')}\n`;
}
