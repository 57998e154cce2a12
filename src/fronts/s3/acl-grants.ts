/**
 * Canned ACLs as lists of grants and back. Promises: what is written for a canned ACL reads back as the same one; a list of
 * grants that no canned ACL is equal to is refused, never narrowed or widened.
 */

import type { CannedAcl } from '../../base/bucket-store.ts';
import { GatewayError } from '../../base/errors.ts';
import type { AclGrant } from '../../format/s3-xml-read.ts';

const ALL_USERS = 'http://acs.amazonaws.com/groups/global/AllUsers';
const AUTHENTICATED_USERS = 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers';

/** What a canned ACL grants beside FULL_CONTROL for the owner. */
const GROUP_GRANTS: Readonly<
  Record<CannedAcl, readonly { readonly grantee: { readonly uri: string }; readonly permission: string }[]>
> = {
  private: [],
  'public-read': [{ grantee: { uri: ALL_USERS }, permission: 'READ' }],
  'public-read-write': [
    { grantee: { uri: ALL_USERS }, permission: 'READ' },
    { grantee: { uri: ALL_USERS }, permission: 'WRITE' },
  ],
  'authenticated-read': [{ grantee: { uri: AUTHENTICATED_USERS }, permission: 'READ' }],
};

export function groupGrants(acl: CannedAcl): readonly AclGrant[] {
  return GROUP_GRANTS[acl];
}

/**
 * The canned ACL that equals these grants of an owner.
 *
 * @throws GatewayError NotImplemented when there is none
 */
export function cannedOf(grants: readonly AclGrant[], ownerId: string): CannedAcl {
  const wanted = new Set<string>();
  let ownerHasAll = false;
  for (const { grantee, permission } of grants) {
    if ('uri' in grantee) wanted.add(`${grantee.uri} ${permission}`);
    else if ('id' in grantee && grantee.id === ownerId && permission === 'FULL_CONTROL') ownerHasAll = true;
    else throw notCanned();
  }
  if (!ownerHasAll) throw notCanned();
  for (const [acl, given] of Object.entries(GROUP_GRANTS)) {
    const same =
      given.length === wanted.size &&
      given.every(({ grantee, permission }) => wanted.has(`${grantee.uri} ${permission}`));
    if (same) return acl as CannedAcl;
  }
  throw notCanned();
}

function notCanned(): GatewayError {
  return new GatewayError(
    'NotImplemented',
    `Only ACLs that equal one of the canned ACLs ${Object.keys(GROUP_GRANTS).join(', ')} are implemented: FULL_CONTROL for the owner, READ or WRITE for groups.`,
  );
}
