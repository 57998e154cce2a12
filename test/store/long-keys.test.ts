/** Keys that the escaping of the index makes longer than it takes are refused alone, and clearly. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayError } from '../../src/base/errors.ts';
import { parseBucketName, parseObjectKey } from '../../src/base/names.ts';
import { openEmbedded, temporaryFolder } from './local-scene.ts';

const stored = { etag: 'd41d8cd98f00b204e9800998ecf8427e', contentType: undefined, attributes: {} };

test('a key of 1,024 SOH bytes is refused as too long, and the write beside it is stored', async () => {
  const folder = temporaryFolder();
  const { store, close } = await openEmbedded(folder.path);
  try {
    const bucket = parseBucketName('keys');
    await store.buckets.create(bucket, 'owner', { acl: 'private' });
    const source = { kind: 'bytes', bytes: Buffer.alloc(0), stored } as const;
    const tooLong = parseObjectKey('\u0001'.repeat(1024));
    const isTooLong = (error: GatewayError) => error.code === 'KeyTooLongError' && /NUL and SOH/.test(error.message);
    const good = store.objects.put(bucket, parseObjectKey('a'.repeat(1024)), source, {});
    await assert.rejects(store.objects.put(bucket, tooLong, source, {}), isTooLong);
    await assert.rejects(store.objects.head(bucket, tooLong), isTooLong);
    await assert.rejects(
      store.uploads.create(bucket, tooLong, { contentType: undefined, attributes: {}, checksum: undefined }),
      isTooLong,
    );
    await good;
    assert.equal((await store.objects.head(bucket, parseObjectKey('a'.repeat(1024))))?.size, 0);
  } finally {
    await close();
    folder.remove();
  }
});
