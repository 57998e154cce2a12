// HOT PATH (every call of the gRPC data plane asks once; 0.5 µs for a token that was seen before, 2026-11)
/**
 * Who calls, by the bearer token of a call. Promises: a token counts only while its key exists with the secret that signed it, and
 * before it expires; without a header the call is anonymous, and a header that is no good is refused, never taken for anonymous.
 *
 * Hardest decision: tokens that were verified once are remembered by their text, so that a call costs two look-ups instead of an
 * HMAC. Only good ones are, so a stranger with made-up tokens cannot wash them out, and what can change (key, secret, time) is asked
 * every time.
 */
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { type BearerToken, parseToken, verifyToken } from '../format/bearer-token.ts';
import type { Credential, CredentialSource } from './credentials.ts';

interface Verified {
  readonly accessKeyId: string;
  readonly secretKey: string;
  readonly expiresMs: number;
}

/** Verified headers of each source of keys, oldest first. */
const verifiedBySource = new WeakMap<CredentialSource, Map<string, Verified>>();

const SCHEME = /^bearer +/i;

/**
 * @param authorization the `authorization` header of the call, whole
 * @param nowMs milliseconds since the Unix epoch
 * @returns the key that signed, `undefined` for a call without the header
 * @throws GatewayError AuthorizationHeaderMalformed; InvalidAccessKeyId; RequestTimeTooSkewed when the token has expired or would live
 *   longer than `LIMITS.tokenLifeMsMax`; SignatureDoesNotMatch. All are UNAUTHENTICATED.
 */
export function authenticate(
  credentials: CredentialSource,
  authorization: string | undefined,
  nowMs: number,
): Credential | undefined {
  if (authorization === undefined) return undefined;
  const seen = verifiedBySource.get(credentials)?.get(authorization);
  if (seen === undefined) return verifyHeader(credentials, authorization, nowMs);
  const credential = findKey(credentials, seen.accessKeyId);
  if (credential.secretKey !== seen.secretKey) return verifyHeader(credentials, authorization, nowMs);
  checkTime(seen.expiresMs, nowMs);
  return credential;
}

function verifyHeader(credentials: CredentialSource, authorization: string, nowMs: number): Credential {
  const token = readHeader(authorization);
  const credential = findKey(credentials, token.accessKeyId);
  // The signature first: who does not have the secret learns nothing of our clock.
  if (!verifyToken(token, credential.secretKey)) {
    throw new GatewayError(
      'SignatureDoesNotMatch',
      `The signature of the bearer token is not the one of the secret key of ${token.accessKeyId}.`,
    );
  }
  checkTime(token.expiresMs, nowMs);
  remember(credentials, authorization, { ...token, secretKey: credential.secretKey });
  return credential;
}

function readHeader(authorization: string): BearerToken {
  const scheme = SCHEME.exec(authorization);
  const token = scheme === null ? undefined : parseToken(authorization.slice(scheme[0].length));
  if (token !== undefined) return token;
  // The header is not repeated: it may hold a secret of another kind.
  throw new GatewayError(
    'AuthorizationHeaderMalformed',
    'The authorization metadata is not "Bearer penstock1.<access key id>.<expiry>.<signature>".',
  );
}

function findKey(credentials: CredentialSource, accessKeyId: string): Credential {
  const credential = credentials.find(accessKeyId);
  if (credential !== undefined) return credential;
  throw new GatewayError('InvalidAccessKeyId', `The access key id ${accessKeyId} is not known here.`);
}

function checkTime(expiresMs: number, nowMs: number): void {
  if (nowMs < expiresMs && expiresMs - nowMs <= LIMITS.tokenLifeMsMax + LIMITS.clockSkewMs) return;
  const [ends, now] = [iso(expiresMs), iso(nowMs)];
  throw new GatewayError(
    'RequestTimeTooSkewed',
    nowMs < expiresMs
      ? `The bearer token ends at ${ends}, and it is ${now} here: it may live ${LIMITS.tokenLifeMsMax / 3_600_000} hours at most.`
      : `The bearer token ended at ${ends}, and it is ${now} here: mint a new one, and compare the clocks.`,
  );
}

/** Twelve digits of seconds are more than a Date holds. */
function iso(ms: number): string {
  return ms > 8.64e15 ? `${ms / 1000} s` : new Date(ms).toISOString();
}

function remember(credentials: CredentialSource, authorization: string, verified: Verified): void {
  let headers = verifiedBySource.get(credentials);
  if (headers === undefined) {
    headers = new Map();
    verifiedBySource.set(credentials, headers);
  }
  const { accessKeyId, secretKey, expiresMs } = verified;
  headers.set(authorization, { accessKeyId, secretKey, expiresMs });
  if (headers.size <= LIMITS.tokensVerifiedMax) return;
  const oldest = headers.keys().next();
  if (oldest.done !== true) headers.delete(oldest.value);
}
