// HOT PATH (bench: bench/sigv4.ts)
/**
 * Verifies AWS Signature Version 4 on requests: `Authorization` header and presigned URL. Promises: a request that passes was
 * made by the holder of the secret, for this host, target, method and every `x-amz-` header, and is fresh; whatever fails says
 * which rule it broke with the code that S3 uses. Version 2 is refused by name.
 *
 * Hardest decision: the day key is looked up by the credential text before that text is parsed. A hit means that the very same
 * text has been parsed and has proven itself before, so the usual request parses no credential at all.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 */
import type { ErrorCode } from '../base/errors.ts';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { formatIsoBasic, parseHttpDate, parseIsoBasic } from './http-date.ts';
import type { RawHeaders } from './sigv4-canonical.ts';
import {
  canonicalRequest,
  collectSigned,
  parseSignedHeaders,
  requestStringToSign,
  UNSIGNED_PAYLOAD,
} from './sigv4-canonical.ts';
import type { SignedRequest } from './sigv4-fields.ts';
import { badQuery, findHeader, parseAuthorization, parsePresigned } from './sigv4-fields.ts';
import type { ProvenKey, SigningKey, SigningKeyCache } from './sigv4-key.ts';
import { deriveSigningKey, isHexDigest, parseCredential } from './sigv4-key.ts';
import { splitTarget } from './uri.ts';

/** What `x-amz-content-sha256` says about the body. */
export type Payload =
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'sha256'; readonly hex: string }
  | { readonly kind: 'streaming-signed' }
  | { readonly kind: 'streaming-signed-trailer' }
  | { readonly kind: 'streaming-unsigned-trailer' };

export interface VerifiedRequest {
  readonly accessKeyId: string;
  readonly payload: Payload;
  /** `20130524T000000Z`; with scope, signature and key what the chunks of an aws-chunked body are chained to. */
  readonly date: string;
  /** `20130524/us-east-1/s3/aws4_request` */
  readonly scope: string;
  readonly signature: string;
  readonly signingKey: SigningKey;
}

export interface VerifyContext {
  readonly nowMs: number;
  /** The secret of an access key id that may be used now, else `undefined`. */
  readonly lookupSecret: (accessKeyId: string) => string | undefined;
  readonly keys: SigningKeyCache;
}

const PAYLOADS: ReadonlyMap<string, Payload> = new Map<string, Payload>([
  [UNSIGNED_PAYLOAD, { kind: 'unsigned' }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { kind: 'streaming-signed' }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { kind: 'streaming-signed-trailer' }],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { kind: 'streaming-unsigned-trailer' }],
]);

/**
 * Verifies the `Authorization` header.
 *
 * @throws GatewayError AuthorizationHeaderMalformed, InvalidAccessKeyId, SignatureDoesNotMatch, RequestTimeTooSkewed,
 * AccessDenied (no usable date, or an `x-amz-` header that is not signed), InvalidRequest (no or wrong x-amz-content-sha256)
 */
export function verifyHeader(request: SignedRequest, context: VerifyContext): VerifiedRequest {
  const fields = parseAuthorization(findHeader(request.rawHeaders, 'authorization') ?? '');
  const names = signedNames(fields.signedHeaders, context, 'AuthorizationHeaderMalformed');
  const proven = provenKey(fields.credential, context, 'AuthorizationHeaderMalformed');
  const { values, uncovered, hostCount } = collectSigned(request.rawHeaders, names);
  const { date, ms } = requestDate(request.rawHeaders, names, values, context.nowMs);
  if (Math.abs(context.nowMs - ms) > LIMITS.clockSkewMs) throw tooSkewed(date, context.nowMs);
  requireScopeDay(proven, date, 'AuthorizationHeaderMalformed');
  requireCovered(uncovered, hostCount);
  const at = names.indexOf('x-amz-content-sha256');
  const literal = at < 0 ? undefined : values[at];
  if (literal === undefined)
    throw new GatewayError('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  const { method, target } = request;
  const parts = {
    method,
    target,
    presigned: false,
    signedHeaders: fields.signedHeaders,
    names,
    values,
    payload: literal,
  };
  return checkSignature(parts, fields.signature, date, proven, context);
}

/**
 * Verifies a presigned URL.
 *
 * @throws GatewayError AuthorizationQueryParametersError, InvalidAccessKeyId, SignatureDoesNotMatch, AccessDenied (expired, not
 * yet valid, or an `x-amz-` header that is not signed), InvalidRequest (wrong x-amz-content-sha256), InvalidURI
 */
export function verifyPresigned(request: SignedRequest, context: VerifyContext): VerifiedRequest {
  const fields = parsePresigned(splitTarget(request.target).query);
  const names = signedNames(fields.signedHeaders, context, 'AuthorizationQueryParametersError');
  const proven = provenKey(fields.credential, context, 'AuthorizationQueryParametersError');
  const ms = parseIsoBasic(fields.date);
  if (ms === undefined) throw badQuery('X-Amz-Date must be in the form "yyyyMMddTHHmmssZ"');
  requireScopeDay(proven, fields.date, 'AuthorizationQueryParametersError');
  requireFresh(ms, fields.expiresSeconds, context.nowMs);
  const { values, uncovered, hostCount } = collectSigned(request.rawHeaders, names);
  requireCovered(uncovered, hostCount);
  const at = names.indexOf('x-amz-content-sha256');
  const payload = (at < 0 ? undefined : values[at]) ?? fields.payload;
  const { method, target } = request;
  const parts = { method, target, presigned: true, signedHeaders: fields.signedHeaders, names, values, payload };
  return checkSignature(parts, fields.signature, fields.date, proven, context);
}

/** Clients sign the same few lists of headers over and over, so parsed lists are kept. */
function signedNames(list: string, context: VerifyContext, code: ErrorCode): readonly string[] {
  const known = context.keys.signedLists.get(list);
  if (known !== undefined) return known;
  const names = parseSignedHeaders(list);
  if (names === undefined)
    throw new GatewayError(code, 'SignedHeaders must be lower-case names in ascending order, joined by ";".');
  if (!names.includes('host')) throw new GatewayError(code, 'SignedHeaders must contain "host".');
  context.keys.signedLists.add(list, names);
  return names;
}

/**
 * The day key of a credential, from the cache when this credential has proven itself with the same secret.
 *
 * @throws GatewayError with `malformed` for a bad credential, InvalidAccessKeyId for an unknown one
 */
export function provenKey(text: string, context: VerifyContext, malformed: ErrorCode): ProvenKey {
  const cached = context.keys.get(text);
  const credential = cached?.credential ?? parseCredential(text);
  if (typeof credential === 'string') throw new GatewayError(malformed, `The credential is malformed: ${credential}.`);
  const secret = context.lookupSecret(credential.accessKeyId);
  if (secret === undefined) {
    throw new GatewayError('InvalidAccessKeyId', 'The AWS access key id that was sent does not exist here.', {
      details: { AWSAccessKeyId: credential.accessKeyId },
    });
  }
  if (cached?.secret === secret) return cached;
  return { credential, secret, key: deriveSigningKey(secret, credential.day, credential.region) };
}

/** The date of the request: x-amz-date (covered, like every x-amz- header), else Date. */
function requestDate(
  raw: RawHeaders,
  names: readonly string[],
  values: readonly (string | undefined)[],
  nowMs: number,
): { date: string; ms: number } {
  const at = names.indexOf('x-amz-date');
  const text = (at < 0 ? undefined : values[at]) ?? findHeader(raw, 'x-amz-date') ?? findHeader(raw, 'date');
  const basic = text === undefined ? undefined : parseIsoBasic(text);
  if (text !== undefined && basic !== undefined) return { date: text, ms: basic };
  const ms = text === undefined ? undefined : parseHttpDate(text, nowMs);
  if (ms === undefined)
    throw new GatewayError('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header.');
  return { date: formatIsoBasic(ms), ms };
}

function tooSkewed(date: string, nowMs: number): GatewayError {
  return new GatewayError('RequestTimeTooSkewed', undefined, {
    details: {
      RequestTime: date,
      ServerTime: new Date(nowMs).toISOString(),
      MaxAllowedSkewMilliseconds: String(LIMITS.clockSkewMs),
    },
  });
}

function requireFresh(signedMs: number, expiresSeconds: number, nowMs: number): void {
  if (signedMs - nowMs > LIMITS.clockSkewMs) throw new GatewayError('AccessDenied', 'The request is not valid yet.');
  const expiresMs = signedMs + expiresSeconds * 1000;
  if (nowMs <= expiresMs) return;
  throw new GatewayError('AccessDenied', 'The request has expired.', {
    details: { Expires: new Date(expiresMs).toISOString(), ServerTime: new Date(nowMs).toISOString() },
  });
}

function requireScopeDay(proven: ProvenKey, date: string, code: ErrorCode): void {
  const { day } = proven.credential;
  if (date.startsWith(day)) return;
  throw new GatewayError(code, `Invalid credential date "${day}": it is not the day of "${date.slice(0, 20)}".`);
}

function requireCovered(uncovered: string | undefined, hostCount: number): void {
  if (hostCount > 1) throw new GatewayError('InvalidRequest', 'The request has more than one Host header.');
  if (uncovered === undefined) return;
  throw new GatewayError('AccessDenied', 'There were headers present in the request which were not signed.', {
    details: { HeadersNotSigned: uncovered },
  });
}

function checkSignature(
  parts: Parameters<typeof canonicalRequest>[0],
  signature: string,
  date: string,
  proven: ProvenKey,
  context: VerifyContext,
): VerifiedRequest {
  const { credential, key } = proven;
  const payload = classifyPayload(parts.payload);
  const canonical = canonicalRequest(parts);
  const stringToSign = requestStringToSign(date, credential.scope, canonical);
  if (!key.matches(stringToSign, signature)) throw mismatch(credential.accessKeyId, stringToSign, signature, canonical);
  if (context.keys.get(credential.text) !== proven) context.keys.add(proven);
  return { accessKeyId: credential.accessKeyId, payload, date, scope: credential.scope, signature, signingKey: key };
}

/** The texts that we signed go back to the sender, as S3 does it, so that a wrong client can be found out. */
function mismatch(accessKeyId: string, stringToSign: string, signature: string, canonical: string): GatewayError {
  return new GatewayError('SignatureDoesNotMatch', undefined, {
    details: {
      AWSAccessKeyId: accessKeyId,
      StringToSign: stringToSign,
      SignatureProvided: signature.slice(0, 80),
      CanonicalRequest: canonical,
    },
  });
}

function classifyPayload(literal: string): Payload {
  const known = PAYLOADS.get(literal);
  if (known !== undefined) return known;
  if (isHexDigest(literal)) return { kind: 'sha256', hex: literal };
  throw new GatewayError(
    'InvalidRequest',
    `x-amz-content-sha256 is "${literal.slice(0, 80)}"; it must be ${[...PAYLOADS.keys()].join(', ')} or a valid sha256 value.`,
  );
}
