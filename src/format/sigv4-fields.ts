// HOT PATH (bench: bench/sigv4.ts)
/**
 * Where AWS Signature Version 4 puts its fields: the `Authorization` header and the `X-Amz-` query parameters. Promises: no
 * field is missing, doubled or unknown; what the fields mean is for `sigv4.ts` to judge.
 *
 * Hardest decision: a request that authenticates twice, or in a way that we do not have, is refused here by name instead of
 * being taken for anonymous.
 */
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { RawHeaders } from './sigv4-canonical.ts';
import { ALGORITHM, canonicalValue, UNSIGNED_PAYLOAD } from './sigv4-canonical.ts';
import { parseQuery, splitTarget } from './uri.ts';

const USE_V4 = 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.';

export interface SignedRequest {
  readonly method: string;
  /** Path and query exactly as on the wire. */
  readonly target: string;
  /** `IncomingMessage.rawHeaders`: names and values in turn, latin1. */
  readonly rawHeaders: RawHeaders;
}

function badHeader(why: string): GatewayError {
  return new GatewayError('AuthorizationHeaderMalformed', `The authorization header is malformed; ${why}.`);
}

/** A refusal of the query string of a presigned URL. */
export function badQuery(why: string): GatewayError {
  return new GatewayError('AuthorizationQueryParametersError', `The presigned URL is malformed; ${why}.`);
}

export type AuthScheme = 'anonymous' | 'header' | 'query';

/**
 * How a request says who sent it.
 *
 * @throws GatewayError InvalidRequest for Signature Version 2, InvalidArgument for two ways at once or an unknown scheme,
 * AccessDenied for an empty Authorization header, InvalidURI
 */
export function authScheme(request: SignedRequest): AuthScheme {
  const authorization = findHeader(request.rawHeaders, 'authorization');
  const query = queryScheme(request.target);
  if (authorization === undefined) return query ? 'query' : 'anonymous';
  if (query)
    throw new GatewayError(
      'InvalidArgument',
      'Only one way to authenticate is allowed: the Authorization header or the query string.',
    );
  if (authorization.startsWith(ALGORITHM)) return 'header';
  if (authorization.startsWith('AWS')) throw new GatewayError('InvalidRequest', USE_V4);
  if (authorization.length === 0) throw new GatewayError('AccessDenied', 'The Authorization header is empty.');
  throw new GatewayError('InvalidArgument', `The authorization type is not supported. ${USE_V4}`);
}

function queryScheme(target: string): boolean {
  if (!target.includes('?')) return false;
  let presigned = false;
  for (const [name] of parseQuery(splitTarget(target).query)) {
    if (name === 'X-Amz-Algorithm' || name === 'X-Amz-Signature' || name === 'X-Amz-Credential') presigned = true;
    else if (name === 'AWSAccessKeyId') throw new GatewayError('InvalidRequest', USE_V4);
  }
  return presigned;
}

/** The canonical value of a header, repeats joined by a comma; `undefined` when it is absent. */
export function findHeader(raw: RawHeaders, lowerName: string): string | undefined {
  let found: string | undefined;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.length !== lowerName.length || name.toLowerCase() !== lowerName) continue;
    const value = canonicalValue(raw[i + 1] as string);
    found = found === undefined ? value : `${found},${value}`;
  }
  return found;
}

export interface AuthorizationFields {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
}

/**
 * `AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`, in any order, with or without spaces after the commas.
 *
 * @throws GatewayError AuthorizationHeaderMalformed
 */
export function parseAuthorization(header: string): AuthorizationFields {
  if (!header.startsWith(`${ALGORITHM} `)) throw badHeader(`it does not start with "${ALGORITHM} "`);
  let credential: string | undefined;
  let signedHeaders: string | undefined;
  let signature: string | undefined;
  let from = ALGORITHM.length + 1;
  while (from <= header.length) {
    let to = header.indexOf(',', from);
    if (to < 0) to = header.length;
    const field = canonicalValue(header.slice(from, to));
    from = to + 1;
    if (credential === undefined && field.startsWith('Credential=')) credential = field.slice(11);
    else if (signedHeaders === undefined && field.startsWith('SignedHeaders=')) signedHeaders = field.slice(14);
    else if (signature === undefined && field.startsWith('Signature=')) signature = field.slice(10);
    else throw badHeader(`"${field.slice(0, 40)}" is unknown or given twice`);
  }
  if (credential === undefined || signedHeaders === undefined || signature === undefined) {
    throw badHeader('it needs Credential, SignedHeaders and Signature');
  }
  return { credential, signedHeaders, signature };
}

export interface PresignedFields extends AuthorizationFields {
  readonly date: string;
  readonly expiresSeconds: number;
  readonly payload: string;
}

const PRESIGNED_NAMES = ['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature'];

/** @throws GatewayError AuthorizationQueryParametersError, InvalidURI */
export function parsePresigned(query: string): PresignedFields {
  const found = new Map<string, string>();
  for (const [name, value] of parseQuery(query)) {
    if (!name.startsWith('X-Amz-')) continue;
    const short = name.slice(6);
    if (found.has(short)) throw badQuery(`${name} is given twice`);
    found.set(short, value);
  }
  const [algorithm, credential, date, expires, signedHeaders, signature] = PRESIGNED_NAMES.map((name) => {
    const value = found.get(name);
    if (value === undefined || value === '') throw badQuery(`it needs X-Amz-${name}`);
    return value;
  }) as [string, string, string, string, string, string];
  if (algorithm !== ALGORITHM) throw badQuery(`X-Amz-Algorithm only supports "${ALGORITHM}"`);
  const expiresSeconds = /^\d{1,7}$/.test(expires) ? Number(expires) : 0;
  if (expiresSeconds < 1 || expiresSeconds > LIMITS.presignExpiresSecondsMax) {
    throw badQuery(
      `X-Amz-Expires is "${expires.slice(0, 20)}"; 1 to ${LIMITS.presignExpiresSecondsMax} seconds are allowed`,
    );
  }
  return {
    credential,
    date,
    expiresSeconds,
    signedHeaders,
    signature,
    payload: found.get('Content-Sha256') ?? UNSIGNED_PAYLOAD,
  };
}
