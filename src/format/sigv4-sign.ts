/**
 * Signs requests with AWS Signature Version 4, for our own command line and tests. Promises: what it signs is exactly the target
 * and the headers that it is given, so the caller must send them unchanged; `verifyHeader` and `verifyPresigned` accept it.
 *
 * Hardest decision: it shares the canonical forms with the verifier, so that both could be wrong together; the published
 * examples and the official SDK in the tests keep both honest.
 */
import { formatIsoBasic } from './http-date.ts';
import {
  ALGORITHM,
  canonicalRequest,
  collectSigned,
  requestStringToSign,
  UNSIGNED_PAYLOAD,
} from './sigv4-canonical.ts';
import { deriveSigningKey } from './sigv4-key.ts';
import { percentEncode } from './uri.ts';

export interface Signer {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly region: string;
}

export interface RequestToSign {
  readonly method: string;
  /** Path and query, encoded, as they will be sent. */
  readonly target: string;
  /** Must hold `host`. Names in any case; every one of them is signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body in hex, or a literal of x-amz-content-sha256. */
  readonly payload: string;
  readonly nowMs: number;
}

interface Scope {
  readonly date: string;
  readonly scope: string;
}

function scopeAt(nowMs: number, region: string): Scope {
  const date = formatIsoBasic(nowMs);
  return { date, scope: `${date.slice(0, 8)}/${region}/s3/aws4_request` };
}

function signature(request: RequestToSign, names: string[], presigned: boolean, signer: Signer, at: Scope): string {
  const raw = Object.entries(request.headers).flat();
  const { values } = collectSigned(raw, names);
  const { method, target, payload } = request;
  const canonical = canonicalRequest({
    method,
    target,
    presigned,
    signedHeaders: names.join(';'),
    names,
    values,
    payload,
  });
  const key = deriveSigningKey(signer.secret, at.date.slice(0, 8), signer.region);
  return key.sign(requestStringToSign(at.date, at.scope, canonical));
}

function sortedNames(headers: Readonly<Record<string, string>>): string[] {
  return Object.keys(headers)
    .map((name) => name.toLowerCase())
    .sort();
}

/** The given headers in lower case with x-amz-date, x-amz-content-sha256 and authorization added. */
export function signHeaders(request: RequestToSign, signer: Signer): Record<string, string> {
  const at = scopeAt(request.nowMs, signer.region);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) headers[name.toLowerCase()] = value;
  headers['x-amz-date'] = at.date;
  headers['x-amz-content-sha256'] = request.payload;
  const names = sortedNames(headers);
  const signed = signature({ ...request, headers }, names, false, signer, at);
  headers.authorization = `${ALGORITHM} Credential=${signer.accessKeyId}/${at.scope}, SignedHeaders=${names.join(';')}, Signature=${signed}`;
  return headers;
}

export interface UrlToSign {
  readonly method: string;
  readonly protocol: 'http' | 'https';
  /** As in the Host header: with the port where it is not the protocol's own. */
  readonly host: string;
  /** Path and query, encoded, without any `X-Amz-` authentication parameter. */
  readonly target: string;
  /** Headers beside `host` that the user of the URL must send as given. */
  readonly headers?: Readonly<Record<string, string>>;
  /** 1 to 604,800. */
  readonly expiresSeconds: number;
  readonly nowMs: number;
}

/** A URL that anybody can use until it expires; the body is not signed. */
export function presignUrl(request: UrlToSign, signer: Signer): string {
  const at = scopeAt(request.nowMs, signer.region);
  const headers = { ...request.headers, host: request.host };
  const names = sortedNames(headers);
  const fields = [
    ['X-Amz-Algorithm', ALGORITHM],
    ['X-Amz-Credential', `${signer.accessKeyId}/${at.scope}`],
    ['X-Amz-Date', at.date],
    ['X-Amz-Expires', String(request.expiresSeconds)],
    ['X-Amz-SignedHeaders', names.join(';')],
  ] as const;
  const query = fields.map(([name, value]) => `${name}=${percentEncode(value, false)}`).join('&');
  const target = `${request.target}${request.target.includes('?') ? '&' : '?'}${query}`;
  const { method, nowMs } = request;
  const signed = signature({ method, target, headers, payload: UNSIGNED_PAYLOAD, nowMs }, names, true, signer, at);
  return `${request.protocol}://${request.host}${target}&X-Amz-Signature=${signed}`;
}
