// HOT PATH (bench: every signed S3 request)
/**
 * What SigV4 verification needs, made once per front. Verification is synchronous, so one context serves all requests and a
 * signed request allocates no closure: `nowMs` is set before, `found` is read after.
 */
import { LIMITS } from '../../base/limits.ts';
import type { VerifyContext } from '../../format/sigv4.ts';
import { SigningKeyCache } from '../../format/sigv4-key.ts';
import type { Credential, CredentialSource } from '../../service/credentials.ts';

export class Verifier implements VerifyContext {
  nowMs = 0;
  /** The credential of the last look-up. */
  found: Credential | undefined = undefined;
  readonly keys = new SigningKeyCache(LIMITS.signingKeysMax);
  readonly lookupSecret: (accessKeyId: string) => string | undefined;

  constructor(credentials: CredentialSource) {
    this.lookupSecret = (accessKeyId) => {
      this.found = credentials.find(accessKeyId);
      return this.found?.secretKey;
    };
  }
}
