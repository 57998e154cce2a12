import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BucketInfo, CannedAcl } from '../../src/base/bucket-store.ts';
import type { BucketName } from '../../src/base/names.ts';
import {
  type BucketAction,
  mayReadObject,
  mayUseBucket,
  requireBucketAction,
  requireCredential,
} from '../../src/service/access.ts';
import { ALT, MAIN, ROOT } from '../s3/users.ts';

const ACLS: readonly CannedAcl[] = ['private', 'public-read', 'public-read-write', 'authenticated-read'];
const ACTIONS: readonly BucketAction[] = ['list', 'write', 'own'];

function bucket(acl: CannedAcl): BucketInfo {
  return { name: 'b' as BucketName, createdMs: 0, ownerId: MAIN.ownerId, settings: { acl } };
}

test('the owner and root may do everything, whatever the ACL', () => {
  for (const acl of ACLS) {
    for (const credential of [MAIN, ROOT]) {
      for (const action of ACTIONS) assert.ok(mayUseBucket(credential, bucket(acl), action));
      assert.ok(mayReadObject(credential, bucket(acl), undefined));
    }
  }
});

test('others get of a bucket what its ACL gives, and never its settings', () => {
  const given: Record<CannedAcl, { other: string; nobody: string }> = {
    private: { other: '', nobody: '' },
    'public-read': { other: 'list', nobody: 'list' },
    'public-read-write': { other: 'list write', nobody: 'list write' },
    'authenticated-read': { other: 'list', nobody: '' },
  };
  for (const acl of ACLS) {
    const may = (credential: typeof ALT | undefined) =>
      ACTIONS.filter((action) => mayUseBucket(credential, bucket(acl), action)).join(' ');
    assert.equal(may(ALT), given[acl].other, acl);
    assert.equal(may(undefined), given[acl].nobody, acl);
  }
});

test('an object is read by its own ACL, not by that of its bucket', () => {
  for (const acl of ACLS) {
    assert.equal(mayReadObject(ALT, bucket(acl), undefined), false);
    assert.equal(
      mayReadObject(undefined, bucket('private'), acl),
      acl === 'public-read' || acl === 'public-read-write',
    );
    assert.equal(mayReadObject(ALT, bucket('private'), acl), acl !== 'private');
  }
});

test('a refusal is AccessDenied', () => {
  assert.throws(() => requireBucketAction(ALT, bucket('private'), 'list'), { code: 'AccessDenied' });
  assert.throws(() => requireCredential(undefined), { code: 'AccessDenied' });
  assert.equal(requireCredential(ALT), ALT);
});
