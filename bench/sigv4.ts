/** CPU of one SigV4 verification of a boto-like GET: `node --import tsx bench/sigv4.ts`. */
import { verifyHeader, verifyPresigned } from '../src/format/sigv4.ts';
import { SigningKeyCache } from '../src/format/sigv4-key.ts';
import { presignUrl, signHeaders } from '../src/format/sigv4-sign.ts';

const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const nowMs = Date.UTC(2025, 10, 24);
const signer = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};
const target = '/training-set/imagenet/train/n01440764/n01440764_10026.JPEG';
const signed = signHeaders(
  { method: 'GET', target, headers: { Host: '127.0.0.1:9000' }, payload: EMPTY, nowMs },
  signer,
);
const rawHeaders = [
  ['Host', '127.0.0.1:9000'],
  ['Accept-Encoding', 'identity'],
  ['x-amz-checksum-mode', 'ENABLED'],
  [
    'User-Agent',
    'Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.11.2 md/pyimpl#CPython cfg/retry-mode#legacy',
  ],
  ['X-Amz-Date', signed['x-amz-date']],
  ['X-Amz-Content-SHA256', EMPTY],
  ['Authorization', ''],
  ['amz-sdk-invocation-id', '7c9ae7e3-2b0f-4f0b-9d1f-0b0c8c0b6d43'],
  ['amz-sdk-request', 'attempt=1'],
] as const;
const headers: Record<string, string> = {};
for (const [name, value] of rawHeaders) if (/^(host|x-amz-checksum-mode)$/i.test(name)) headers[name] = value ?? '';
const { authorization = '' } = signHeaders({ method: 'GET', target, headers, payload: EMPTY, nowMs }, signer);
const flat = rawHeaders.flatMap(([name, value]) => [name, name === 'Authorization' ? authorization : (value ?? '')]);
const url = presignUrl(
  { method: 'GET', protocol: 'http', host: '127.0.0.1:9000', target, expiresSeconds: 3600, nowMs },
  signer,
);
const presigned = { method: 'GET', target: url.slice(url.indexOf('/', 8)), rawHeaders: ['Host', '127.0.0.1:9000'] };
const context = { nowMs, keys: new SigningKeyCache(16), lookupSecret: (): string => signer.secret };

function measure(name: string, run: () => unknown): void {
  const rounds: number[] = [];
  for (let round = 0; round < 12; round += 1) {
    const start = process.cpuUsage();
    for (let i = 0; i < 20_000; i += 1) run();
    const { user, system } = process.cpuUsage(start);
    rounds.push((user + system) / 20_000);
  }
  rounds.sort((a, b) => a - b);
  console.log(`${name}: min ${rounds[0]?.toFixed(2)} µs, median ${rounds[6]?.toFixed(2)} µs of CPU`);
}

// Fresh strings, as the HTTP parser makes them for every request.
const bytes = Buffer.from(flat.join('\n'), 'latin1');
const fresh = (): string[] => bytes.toString('latin1').split('\n');
measure('making fresh header strings (subtract)', () => fresh());
measure('header, fresh strings', () => verifyHeader({ method: 'GET', target, rawHeaders: fresh() }, context));
measure('header, same strings', () => verifyHeader({ method: 'GET', target, rawHeaders: flat }, context));
measure('presigned', () => verifyPresigned(presigned, context));
