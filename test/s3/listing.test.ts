/** Listings: pages that follow each other without gap or repeat, over hostile keys, by all three operations. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CreateBucketCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { codeOf, startFront } from './front-fixture.ts';
import { ALT, MAIN } from './users.ts';

const f = await startFront();
const s3 = f.client(MAIN);
const Bucket = 'listing';
const KEYS = [
  'a',
  'a b',
  'a+b',
  'a/1',
  'a/2',
  'a/b/3',
  'b//x',
  'b/',
  'c%2F',
  'd/1',
  'd/2',
  'e&<>"',
  'z/ü',
  '\u{1f600}',
  '\uff5e',
].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
await s3.send(new CreateBucketCommand({ Bucket }));
for (const Key of KEYS) await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }));

function expectRolledUp(prefix: string, delimiter: string): string[] {
  const rows = KEYS.filter((key) => key.startsWith(prefix)).map((key) => {
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    return at < 0 ? key : key.slice(0, at + delimiter.length);
  });
  return [...new Set(rows)];
}

function inOrder(rows: string[]): string[] {
  return rows.sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
}

test('V2 pages of every size join to the whole listing', async () => {
  for (const [prefix, delimiter] of [
    ['', ''],
    ['', '/'],
    ['a', '/'],
    ['a/', '/'],
    ['', 'b'],
    ['none', '/'],
  ] as const) {
    for (const MaxKeys of [1, 2, 5, 1000]) {
      const rows: string[] = [];
      let ContinuationToken: string | undefined;
      do {
        const page = await s3.send(
          new ListObjectsV2Command({
            Bucket,
            Prefix: prefix,
            Delimiter: delimiter,
            MaxKeys,
            ContinuationToken,
            EncodingType: 'url',
          }),
        );
        const names = [
          ...(page.Contents ?? []).map(({ Key }) => Key),
          ...(page.CommonPrefixes ?? []).map((one) => one.Prefix),
        ].map((name) => decodeURIComponent(name ?? ''));
        assert.ok(names.length <= MaxKeys);
        assert.equal(page.KeyCount, names.length);
        rows.push(...inOrder(names));
        ContinuationToken = page.NextContinuationToken;
        assert.equal(page.IsTruncated, ContinuationToken !== undefined);
      } while (ContinuationToken !== undefined);
      assert.deepEqual(rows, expectRolledUp(prefix, delimiter), `${prefix}|${delimiter}|${MaxKeys}`);
    }
  }
});

test('V1 pages and version pages join to the whole listing too', async () => {
  for (const delimiter of ['', '/']) {
    for (const MaxKeys of [1, 3]) {
      const v1: string[] = [];
      let Marker: string | undefined;
      for (let more = true; more; ) {
        const page = await s3.send(new ListObjectsCommand({ Bucket, Delimiter: delimiter, MaxKeys, Marker }));
        const names = inOrder([
          ...(page.Contents ?? []).map(({ Key }) => Key ?? ''),
          ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix ?? ''),
        ]);
        v1.push(...names);
        more = page.IsTruncated === true;
        Marker = page.NextMarker ?? names.at(-1);
      }
      assert.deepEqual(v1, expectRolledUp('', delimiter));

      const versions: string[] = [];
      let KeyMarker: string | undefined;
      let VersionIdMarker: string | undefined;
      for (let more = true; more; ) {
        const page = await s3.send(
          new ListObjectVersionsCommand({ Bucket, Delimiter: delimiter, MaxKeys, KeyMarker, VersionIdMarker }),
        );
        for (const version of page.Versions ?? [])
          assert.deepEqual([version.VersionId, version.IsLatest], ['null', true]);
        versions.push(
          ...inOrder([
            ...(page.Versions ?? []).map(({ Key }) => Key ?? ''),
            ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix ?? ''),
          ]),
        );
        more = page.IsTruncated === true;
        KeyMarker = page.NextKeyMarker;
        VersionIdMarker = page.NextVersionIdMarker;
      }
      assert.deepEqual(versions, expectRolledUp('', delimiter));
    }
  }
});

test('start-after, owners on request, and a page of none', async () => {
  const after = await s3.send(new ListObjectsV2Command({ Bucket, StartAfter: 'c%2F', FetchOwner: true }));
  assert.equal(after.Contents?.[0]?.Key, 'd/1');
  assert.equal(after.Contents[0].Owner?.ID, MAIN.ownerId);
  const none = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 0 }));
  assert.deepEqual([none.KeyCount, none.IsTruncated, none.Contents], [0, false, undefined]);
  assert.equal((await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }))).Contents?.[0]?.Owner, undefined);
});

test('wrong parameters are refused', async () => {
  for (const query of [
    'max-keys=-1',
    'max-keys=a',
    'list-type=2&continuation-token=bad!',
    'list-type=3',
    'encoding-type=x',
    'versions&version-id-marker=null',
  ]) {
    assert.equal(
      codeOf(await f.send({ method: 'GET', target: `/${Bucket}?${query}`, user: MAIN })),
      'InvalidArgument',
      query,
    );
  }
});

test('virtual-host style reaches the same bucket, whatever the case of the host', async () => {
  for (const host of [`${Bucket}.s3.test`, `${Bucket.toUpperCase()}.S3.Test:9000`]) {
    const reply = await f.send({ method: 'GET', target: '/?list-type=2&max-keys=1', user: MAIN, headers: { host } });
    assert.match(reply.body, /<Name>listing<\/Name>/);
    assert.equal((await f.send({ method: 'GET', target: '/a', user: MAIN, headers: { host } })).body, 'a');
  }
});

test('buckets of the requester, in pages', async () => {
  const alt = f.client(ALT);
  for (const name of ['page-a', 'page-b', 'page-c']) await alt.send(new CreateBucketCommand({ Bucket: name }));
  const names: (string | undefined)[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await alt.send(new ListBucketsCommand({ MaxBuckets: 2, ContinuationToken }));
    names.push(...(page.Buckets ?? []).map(({ Name }) => Name));
    ContinuationToken = page.ContinuationToken;
  } while (ContinuationToken !== undefined);
  assert.deepEqual(names, ['page-a', 'page-b', 'page-c']);
  assert.deepEqual(
    (await s3.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name),
    [Bucket],
  );
});

test('nothing of this was an internal error', () => {
  assert.deepEqual(f.errors, []);
});
