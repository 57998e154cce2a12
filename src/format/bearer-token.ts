/**
 * The bearer tokens of the gRPC data plane: minted by a client from its secret key, so that the secret never crosses the wire.
 * Promises: one token has one spelling, and every client mints the same bytes from the same key and expiry.
 *
 *     penstock1.<access key id>.<expiry>.<signature>
 *
 * The expiry is in whole seconds since the Unix epoch, in decimal without leading zeros. The signature is base64url without padding
 * (RFC 4648, section 5) of HMAC-SHA256 (RFC 2104); its key is the secret key's ASCII bytes, its message is everything before the
 * last dot. Access key ids may hold dots, so a token is taken apart from its end.
 *
 * Hardest decision: no nonce. A token is not bound to a call, so TLS is what keeps it from being replayed until it expires.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

const SCHEME = 'penstock1';
/** `penstock1.` + 128 characters of id + `.` + 12 digits + `.` + 43 of signature. */
const TOKEN_CHARS_MAX = 195;
const TOKEN = /^penstock1\.([A-Za-z0-9._-]{3,128})\.([1-9]\d{0,11})\.([A-Za-z0-9_-]{43})$/;

export interface TokenKey {
  /** 3 to 128 letters, digits, `.`, `_` or `-`. */
  readonly accessKeyId: string;
  /** 8 to 256 printable ASCII characters. */
  readonly secretKey: string;
}

export interface BearerToken {
  readonly accessKeyId: string;
  /** When it ends, in milliseconds since the Unix epoch; it is good before that, not at it. */
  readonly expiresMs: number;
  /** What is signed: everything before the last dot. */
  readonly signed: string;
  /** 43 characters of base64url. */
  readonly signature: string;
}

function signatureOf(signed: string, secretKey: string): string {
  return createHmac('sha256', secretKey).update(signed).digest('base64url');
}

/**
 * @param key with `expiresMs`: when the token ends, in milliseconds since the Unix epoch, rounded down to a second
 * @throws RangeError for an expiry that is no positive number of seconds of at most twelve digits
 */
export function mintToken(key: TokenKey & { readonly expiresMs: number }): string {
  const seconds = Math.floor(key.expiresMs / 1000);
  if (!(seconds >= 1 && seconds <= 999_999_999_999)) {
    throw new RangeError(`expiresMs is ${key.expiresMs}; expected milliseconds since the Unix epoch`);
  }
  const signed = `${SCHEME}.${key.accessKeyId}.${seconds}`;
  return `${signed}.${signatureOf(signed, key.secretKey)}`;
}

/** The parts of a token, not yet verified; `undefined` when it is none. */
export function parseToken(token: string): BearerToken | undefined {
  if (token.length > TOKEN_CHARS_MAX) return undefined;
  const match = TOKEN.exec(token);
  if (match === null) return undefined;
  const [, accessKeyId, seconds, signature] = match as unknown as [string, string, string, string];
  const signed = token.slice(0, -(signature.length + 1));
  return { accessKeyId, expiresMs: Number(seconds) * 1000, signed, signature };
}

/** Whether the signature is the one of this secret, in a time that does not depend on where they differ. Says nothing of the expiry. */
export function verifyToken(token: BearerToken, secretKey: string): boolean {
  const expected = Buffer.from(signatureOf(token.signed, secretKey), 'latin1');
  return timingSafeEqual(expected, Buffer.from(token.signature, 'latin1'));
}
