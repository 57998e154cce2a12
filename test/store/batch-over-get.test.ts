/** Batches over `get`: what the contract's tests cannot bring about. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BucketName } from '../../src/base/names.ts';
import type { ObjectInfo } from '../../src/base/object-info.ts';
import { BatchOverGet } from '../../src/store/batch-over-get.ts';
import { key } from '../contract/scene.ts';

test('an object that is replaced by a private one between look and read is not served', async () => {
  const infoOf = (acl: 'public-read' | 'private'): ObjectInfo => ({
    etag: 'e',
    contentType: undefined,
    attributes: { acl },
    size: 6,
    modifiedMs: 0,
    crc32: undefined,
    partCount: 0,
  });
  let released = false;
  const body = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false as const, value: Buffer.from('secret') }),
      return: async () => {
        released = true;
        return { done: true as const, value: undefined };
      },
    }),
  };
  const store = {
    head: async () => infoOf('public-read'),
    get: async () => ({ info: infoOf('private'), start: 0, end: 6, body }),
  };
  const batch = new BatchOverGet(store, [{ bucket: 'bucket' as BucketName, key: key('k') }], {
    order: 'strict',
    admit: (_slot, { attributes }) => attributes.acl === 'public-read',
  });
  const [entry] = await batch.fill(Buffer.alloc(64 * 1024), 10);
  assert.deepEqual([entry?.error?.code, entry?.length, entry?.info], ['AccessDenied', 0, undefined]);
  assert.ok(released);
});
