// HOT PATH (bench: every signed S3 request)
/**
 * Who sent a request. Promises: a request that claims a signer is either verified or refused, never taken for anonymous; an
 * anonymous one has no credential, and what it may do is for `access.ts` to say.
 */
import { GatewayError } from '../../base/errors.ts';
import { checksumOfHeaderName } from '../../format/checksum-headers.ts';
import { verifyHeader, verifyPresigned } from '../../format/sigv4.ts';
import { type AuthScheme, authScheme, type SignedRequest } from '../../format/sigv4-fields.ts';
import type { FrontState } from './front.ts';
import { refuseHeaders } from './refused.ts';
import type { Exchange, Signed } from './request.ts';

/**
 * Notes on the exchange who signed it.
 *
 * @throws GatewayError as `authScheme`, `verifyHeader` and `verifyPresigned` do; NotImplemented for headers in the query
 */
export function authenticate(x: Exchange): void {
  const request = { method: x.method, target: x.rawTarget, rawHeaders: x.req.rawHeaders };
  const unsigned = x.rawQuery === '' && x.req.headers.authorization === undefined;
  const scheme: AuthScheme = unsigned ? 'anonymous' : authScheme(request);
  if (scheme === 'anonymous') return;
  const presigned = scheme === 'query';
  x.signed = verifySigned(x.front, request, presigned, x.startedMs);
  if (presigned) liftQueryHeaders(x);
}

/** @throws GatewayError as `verifyHeader` and `verifyPresigned` do */
export function verifySigned(front: FrontState, request: SignedRequest, presigned: boolean, nowMs: number): Signed {
  const { verifier } = front;
  verifier.nowMs = nowMs;
  const verified = presigned ? verifyPresigned(request, verifier) : verifyHeader(request, verifier);
  const credential = verifier.found;
  if (credential?.accessKeyId !== verified.accessKeyId) throw new GatewayError('InvalidAccessKeyId');
  return { credential, verified, presigned };
}

const SIGNING_PARAMETERS: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  // Says how the signer computed a checksum, which is checked for itself; without one it would ask for a header that cannot come.
  'x-amz-sdk-checksum-algorithm',
]);

/** Headers that a presigner moved into the query (`x-amz-acl=public-read`) count as headers. @throws GatewayError NotImplemented */
function liftQueryHeaders(x: Exchange): void {
  const lifted: string[] = [];
  for (const [name, value] of x.query) {
    const lower = name.toLowerCase();
    if (!lower.startsWith('x-amz-') || SIGNING_PARAMETERS.has(lower) || isChecksumOfNothing(x, lower, value)) continue;
    lifted.push(lower, value);
    x.req.headers[lower] ??= value;
  }
  refuseHeaders(lifted);
}

/**
 * SDKs that presign an upload sign the checksum of the body that they have, which is none (@aws-sdk does so by default). S3 looks at no
 * checksum in the query; here only one that describes no upload is passed over, so that one that was meant still holds.
 */
function isChecksumOfNothing(x: Exchange, name: string, value: string): boolean {
  const algorithm = checksumOfHeaderName(name);
  return algorithm !== undefined && x.front.checksums.create(algorithm).digest().toString('base64') === value;
}
