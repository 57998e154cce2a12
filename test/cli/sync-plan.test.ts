/** What a repeated run still has to move. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesMatch, fileMatches } from '../../src/cli/file-digest.ts';
import { etagForm, joinByKey, judge, partSizeFor, type RemoteObject } from '../../src/cli/sync-plan.ts';
import { loadEntityHashes } from '../../src/format/entity-hash.ts';
import { compareUtf8 } from '../../src/store/sorted-map.ts';

const MiB = 1024 * 1024;
const hashes = await loadEntityHashes();
const md5 = (bytes: Buffer): Buffer => createHash('md5').update(bytes).digest();
const object = (key: string, size = 0, etag = ''): RemoteObject => ({ key, size, etag, modifiedMs: 0 });

async function* stream<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

test('every local item is paired with the object of its key, and only with it', async () => {
  const keys = fc.uniqueArray(fc.string({ unit: 'grapheme', maxLength: 6 }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(keys, keys, async (here, there) => {
      const locals = here.toSorted(compareUtf8).map((key) => ({ key }));
      const remotes = there.toSorted(compareUtf8).map((key) => object(key));
      const pairs = [];
      for await (const { local, remote } of joinByKey(stream(locals), stream(remotes)))
        pairs.push([local.key, remote?.key]);
      assert.deepEqual(
        pairs,
        locals.map(({ key }) => [key, there.includes(key) ? key : undefined]),
      );
    }),
  );
});

test('the join stops its listing when the reader stops', async () => {
  let ended = false;
  async function* endless(): AsyncGenerator<RemoteObject> {
    try {
      for (let i = 0; ; i += 1) yield object(`k${String(i).padStart(9, '0')}`);
    } finally {
      ended = true;
    }
  }
  for await (const pair of joinByKey(stream([{ key: 'k000000003' }, { key: 'z' }]), endless())) {
    assert.equal(pair.remote?.key, 'k000000003');
    break;
  }
  assert.equal(ended, true);
});

test('size decides first, content only between equals, and --size-only not at all', () => {
  const etag = '0'.repeat(32);
  assert.equal(judge(5, undefined, false), 'missing');
  assert.equal(judge(5, object('a', 6, etag), false), 'different');
  assert.equal(judge(5, object('a', 5, etag), false), 'compare');
  assert.equal(judge(5, object('a', 5, etag), true), 'same');
  assert.equal(judge(5, object('a', 5, 'something-else'), false), 'different');
});

test('our own parts are 16 MiB, and as many as S3 allows for the largest object', () => {
  assert.equal(partSizeFor(65 * MiB), 16 * MiB);
  const largest = 5 * 1024 * 1024 * MiB;
  assert.ok(Math.ceil(largest / partSizeFor(largest)) <= 10_000);
});

test('bytes match the ETag that an upload in parts of a usual size makes', () => {
  const bytes = Buffer.alloc(21 * MiB, 'penstock');
  for (const partSize of [5 * MiB, 8 * MiB, 16 * MiB, 64 * MiB]) {
    const digests = [];
    for (let at = 0; at < bytes.length; at += partSize) digests.push(md5(bytes.subarray(at, at + partSize)));
    const etag = `${md5(Buffer.concat(digests)).toString('hex')}-${digests.length}`;
    assert.equal(bytesMatch(bytes, etag, hashes), true, `${partSize}`);
    const other = Buffer.from(bytes);
    other[20 * MiB] = 0;
    assert.equal(bytesMatch(other, etag, hashes), false, `${partSize}, changed`);
  }
});

test('bytes match their MD5 and no other', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (content) => {
      const bytes = Buffer.from(content);
      const etag = md5(bytes).toString('hex');
      assert.equal(bytesMatch(bytes, etag, hashes), true);
      assert.equal(bytesMatch(Buffer.concat([bytes, Buffer.from('x')]), etag, hashes), false);
    }),
  );
});

test('an ETag of one part is that of an upload in parts, or of a write over gRPC', async () => {
  const bytes = Buffer.alloc(3 * MiB, 'penstock');
  const ofUpload = `${md5(md5(bytes)).toString('hex')}-1`;
  const ofGrpc = hashes.etagOf(bytes);
  const other = Buffer.from(bytes);
  other[2 * MiB] = 0;
  const folder = mkdtempSync(join(tmpdir(), 'penstock-plan-'));
  for (const [name, content] of Object.entries({ bytes, other, small: bytes.subarray(0, 100) }))
    writeFileSync(join(folder, name), content);
  for (const etag of [ofUpload, ofGrpc]) {
    assert.equal(bytesMatch(bytes, etag, hashes), true, etag);
    assert.equal(bytesMatch(other, etag, hashes), false, etag);
    assert.equal(await fileMatches(join(folder, 'bytes'), bytes.length, etag, hashes), true, etag);
    assert.equal(await fileMatches(join(folder, 'other'), bytes.length, etag, hashes), false, etag);
  }
  const small = bytes.subarray(0, 100);
  assert.equal(await fileMatches(join(folder, 'small'), 100, hashes.etagOf(small), hashes), true);
  rmSync(folder, { recursive: true });
});

test('an ETag of parts that no usual size explains is not compared', () => {
  const etag = `${'0'.repeat(32)}-`;
  assert.equal(etagForm(10, 'W/"x"'), undefined);
  assert.equal(etagForm(100 * MiB, `${etag}9999`), undefined);
  assert.equal(etagForm(100 * MiB, `${etag}0`), undefined);
  assert.deepEqual(etagForm(10, `${etag}1`)?.kind, 'parts');
});
