/** Heads of S3 requests as current SDKs send them, ready for the wire. What boto3 signs is signed, and the rest of it is there too. */
import { presignUrl, type Signer, signHeaders } from '../../src/format/sigv4-sign.ts';

export const SIGNER: Signer = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};

/** SHA-256 of nothing. */
const EMPTY_PAYLOAD = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const USER_AGENT =
  'Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.11.2 md/pyimpl#CPython cfg/retry-mode#legacy';

function headOf(method: string, target: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

const UNSIGNED_EXTRAS = {
  'accept-encoding': 'identity',
  'user-agent': USER_AGENT,
  'amz-sdk-invocation-id': '7c9ae7e3-2b0f-4f0b-9d1f-0b0c8c0b6d43',
  'amz-sdk-request': 'attempt=1',
};

export function signedGet(target: string, host: string, nowMs: number, signer = SIGNER): string {
  const headers = { host, 'x-amz-checksum-mode': 'ENABLED' };
  const signed = signHeaders({ method: 'GET', target, headers, payload: EMPTY_PAYLOAD, nowMs }, signer);
  return headOf('GET', target, { ...signed, ...UNSIGNED_EXTRAS });
}

export function presignedGet(target: string, host: string, nowMs: number): string {
  const url = presignUrl({ method: 'GET', protocol: 'http', host, target, expiresSeconds: 3600, nowMs }, SIGNER);
  return headOf('GET', url.slice(`http://${host}`.length), { host, 'user-agent': 'curl/8.5.0', accept: '*/*' });
}

export function unsignedGet(target: string, host: string): string {
  return headOf('GET', target, { host, 'user-agent': 'curl/8.5.0', accept: '*/*' });
}

/** The body is vouched for by its checksum header, as SDKs do it over TLS and we do it here. */
export function signedPut(
  target: string,
  host: string,
  nowMs: number,
  bodyBytes: number,
  more: Readonly<Record<string, string>> = {},
  signer = SIGNER,
): string {
  const headers = { host, 'content-type': 'application/octet-stream', ...more };
  const signed = signHeaders({ method: 'PUT', target, headers, payload: 'UNSIGNED-PAYLOAD', nowMs }, signer);
  return headOf('PUT', target, { ...signed, 'content-length': String(bodyBytes), ...UNSIGNED_EXTRAS });
}
