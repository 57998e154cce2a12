/** Lists of parts and of unfinished uploads, a page at a time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BucketName, UploadId } from '../../src/base/names.ts';
import type { PartInfo } from '../../src/base/object-info.ts';
import type { NewUpload, Storage, UploadsPage } from '../../src/base/object-store.ts';
import { compareBytes, hostileDelimiter, hostileKey, naiveListing, prefixAmong } from './hostile-keys.ts';
import { bytesSource, key, nextMillisecond, noise, type Scene } from './scene.ts';

const NEW: NewUpload = { contentType: 'image/png', attributes: { tags: { a: 'b' } }, checksum: undefined };
const WHOLE = { prefix: '', delimiter: '', afterKey: '', afterUploadId: '', limit: 1000 };

export function uploadListContract(scene: Scene): void {
  test('parts are listed in ascending order, a page at a time', () => partPages(scene));
  test('uploads of one key are listed in the order of their creation', () => creationOrder(scene));
  test('a marker whose upload is gone still marks its place', () => goneMarker(scene));
  test('a key without an upload id as the marker skips all uploads of the key', () => keyMarker(scene));
  test('an empty page has no next one', () => emptyPage(scene));
  test('paging over uploads of hostile keys gives exactly the whole', () => anyPaging(scene));
}

async function partPages({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const at = key('k');
  const id = await storage.uploads.create(bucket, at, NEW);
  const numbers = [10_000, 1, 256, 2, 10, 9, 300, 255];
  const sent = new Map<number, PartInfo>();
  for (const number of numbers) {
    sent.set(number, await storage.uploads.putPart(bucket, at, id, number, bytesSource(noise(number % 97, number))));
  }
  const ordered = [...numbers].sort((a, b) => a - b).map((number) => sent.get(number));
  for (const limit of [1, 3, 4, 8, 1000]) {
    const listed: PartInfo[] = [];
    let after: number | undefined = 0;
    while (after !== undefined) {
      const page = await storage.uploads.listParts(bucket, at, id, after, limit);
      assert.equal(page.upload.uploadId, id);
      assert.equal(page.parts.length, Math.min(limit, numbers.length - listed.length));
      assert(page.parts.length > 0, 'a next page holds something');
      listed.push(...page.parts);
      if (page.nextAfter !== undefined) assert.equal(page.nextAfter, page.parts.at(-1)?.number);
      after = page.nextAfter;
    }
    assert.deepEqual(listed, ordered);
  }
  assert.deepEqual((await storage.uploads.listParts(bucket, at, id, 10_000, 10)).parts, []);
  const between = await storage.uploads.listParts(bucket, at, id, 11, 2);
  assert.deepEqual(between.parts, [sent.get(255), sent.get(256)]);
  const none = await storage.uploads.listParts(bucket, at, id, 0, 0);
  assert.deepEqual([none.parts, none.nextAfter], [[], undefined]);
}

/** Upload ids of one key in the order of their creation. */
async function createSeveral(storage: Storage, bucket: BucketName, name: string, count: number): Promise<UploadId[]> {
  const ids: UploadId[] = [];
  for (let i = 0; i < count; i++) {
    ids.push(await storage.uploads.create(bucket, key(name), NEW));
    await nextMillisecond();
  }
  return ids;
}

async function creationOrder({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const ofB = await createSeveral(storage, bucket, 'b', 5);
  const ofA = await createSeveral(storage, bucket, 'a', 5);
  const { uploads, next } = await storage.uploads.listUploads(bucket, WHOLE);
  assert.deepEqual(
    uploads.map((upload) => upload.uploadId),
    [...ofA, ...ofB],
  );
  assert.equal(next, undefined);
  for (const upload of uploads) {
    const page = await storage.uploads.listParts(bucket, upload.key, upload.uploadId, 0, 1);
    assert.deepEqual(upload, page.upload);
  }
}

async function goneMarker({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const ids = await createSeveral(storage, bucket, 'a', 4);
  const marker = ids[1] as UploadId;
  const listed = async () => {
    const page = await storage.uploads.listUploads(bucket, { ...WHOLE, afterKey: 'a', afterUploadId: marker });
    return page.uploads.map((upload) => upload.uploadId);
  };
  assert.deepEqual(await listed(), ids.slice(2));
  await storage.uploads.abort(bucket, key('a'), marker);
  assert.deepEqual(await listed(), ids.slice(2));
}

async function keyMarker({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  await createSeveral(storage, bucket, 'a', 2);
  const ofC = await createSeveral(storage, bucket, 'c', 2);
  for (const afterKey of ['a', 'b']) {
    const { uploads } = await storage.uploads.listUploads(bucket, { ...WHOLE, afterKey });
    assert.deepEqual(
      uploads.map((upload) => upload.uploadId),
      ofC,
    );
  }
}

async function emptyPage({ storage, freshBucket }: Scene): Promise<void> {
  const bucket = await freshBucket();
  const empty = { uploads: [], commonPrefixes: [], next: undefined };
  assert.deepEqual(await storage.uploads.listUploads(bucket, WHOLE), empty);
  await createSeveral(storage, bucket, 'a', 2);
  assert.deepEqual(await storage.uploads.listUploads(bucket, { ...WHOLE, limit: 0 }), empty);
  assert.deepEqual(await storage.uploads.listUploads(bucket, { ...WHOLE, prefix: 'b' }), empty);
}

type Query = { readonly prefix: string; readonly delimiter: string; readonly limit: number };

/** Keys (as often as they have uploads) and common prefixes of all pages, as in `naiveListing`, sorted by bytes. */
async function pagedLines(storage: Storage, bucket: BucketName, query: Query, atMost: number): Promise<string[]> {
  const uploads: string[] = [];
  const prefixes: string[] = [];
  let next: UploadsPage['next'] = { key: '', uploadId: '' };
  while (next !== undefined) {
    const marker = { afterKey: next.key, afterUploadId: next.uploadId };
    const page: UploadsPage = await storage.uploads.listUploads(bucket, { ...query, ...marker });
    assert(page.uploads.length + page.commonPrefixes.length <= query.limit);
    uploads.push(...page.uploads.map((upload) => upload.key));
    prefixes.push(...page.commonPrefixes);
    const isEmpty = page.uploads.length + page.commonPrefixes.length === 0;
    assert(!isEmpty || next.key === '', 'a next page holds something');
    assert(uploads.length + prefixes.length <= atMost, 'paging does not repeat itself');
    next = page.next;
  }
  assert.deepEqual(uploads, [...uploads].sort(compareBytes));
  assert.deepEqual(prefixes, [...prefixes].sort(compareBytes));
  return [...uploads.map((name) => `=${name}`), ...prefixes.map((prefix) => `/${prefix}`)].sort();
}

async function anyPaging(scene: Scene): Promise<void> {
  const { storage, freshBucket } = scene;
  // Some keys come twice: two uploads of one key.
  const someKeys = fc.array(hostileKey, { maxLength: 15 });
  await fc.assert(
    fc.asyncProperty(someKeys, fc.gen(), async (drawn, draw) => {
      const keys = [...drawn, ...drawn.slice(0, 4)];
      const bucket = await freshBucket();
      for (const name of keys) await storage.uploads.create(bucket, key(name), NEW);
      for (let round = 0; round < 5; round++) {
        const [prefix, delimiter] = [draw(prefixAmong, keys), draw(() => hostileDelimiter)];
        const limit = draw(fc.constantFrom<number[]>, 1, 2, 3, 1000);
        const distinct = naiveListing(keys, { prefix, delimiter, after: '', afterPrefix: false });
        const expected = distinct.flatMap((line) => {
          const times = line.startsWith('=') ? keys.filter((name) => `=${name}` === line).length : 1;
          return Array.from({ length: times }, () => line);
        });
        assert.deepEqual(await pagedLines(storage, bucket, { prefix, delimiter, limit }, keys.length), expected.sort());
      }
    }),
    { numRuns: 25 },
  );
}
