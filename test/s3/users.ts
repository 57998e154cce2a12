/** The users of the S3 tests. */
import { createHash } from 'node:crypto';
import type { Credential, CredentialSource } from '../../src/service/credentials.ts';

function user(name: string, root: boolean): Credential {
  return {
    accessKeyId: `${name.toUpperCase()}KEYID0000000`,
    secretKey: `${name}-secret-of-some-length`,
    ownerId: createHash('sha256').update(name).digest('hex'),
    displayName: name,
    createdMs: 0,
    root,
  };
}

export const MAIN = user('main', false);
export const ALT = user('alt', false);
export const ROOT = user('root', true);

export function credentialsOf(users: readonly Credential[]): CredentialSource {
  const byId = new Map(users.map((one) => [one.accessKeyId, one]));
  return { find: (accessKeyId) => byId.get(accessKeyId) };
}
