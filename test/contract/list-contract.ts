/** Lists are what sorting all keys by their UTF-8 bytes, filtering and folding gives, a page at a time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BucketName } from '../../src/base/names.ts';
import type { ListOptions, ListPage, Storage } from '../../src/base/object-store.ts';
import { hostileDelimiter, hostileKeys, naiveListing, prefixAmong } from './hostile-keys.ts';
import { bytesSource, key, noise, type Scene } from './scene.ts';

const WHOLE = { prefix: '', delimiter: '', after: '', afterPrefix: false, limit: 1000 };

export function listContract(scene: Scene): void {
  test('keys come in the order of their UTF-8 bytes', () => byteOrder(scene));
  test('a delimiter folds what lies below it, objects and prefixes in one order', () => folding(scene));
  test('a page starts after its marker, and after all of a prefix that was listed', () => markers(scene));
  test('an empty page and an empty bucket have no next page', () => nothing(scene));
  test('a prefix or marker longer than any key is no error', () => tooLong(scene));
  test('a full page has a next one only if there is more', () => exactPages(scene));
  test('a thousand keys below a prefix count once', () => wideFolders(scene));
  test('a listing shows each object as head does', () => infos(scene));
  test('any page over hostile keys is what sorting, filtering and folding gives', () => anyPage(scene));
  test('paging till the end gives exactly the whole', () => anyPaging(scene));
}

async function filled({ storage, freshBucket }: Scene, keys: readonly string[]): Promise<BucketName> {
  const bucket = await freshBucket();
  await Promise.all(keys.map((name) => storage.objects.put(bucket, key(name), bytesSource(noise(3)), {})));
  return bucket;
}

async function tooLong(scene: Scene): Promise<void> {
  const bucket = await filled(scene, ['a', 'b']);
  const long = `a${'x'.repeat(5000)}`;
  assert.deepEqual(await lines(scene.storage, bucket, { prefix: long }), []);
  assert.deepEqual(await lines(scene.storage, bucket, { after: long }), ['=b']);
  assert.deepEqual(await lines(scene.storage, bucket, { after: long, afterPrefix: true }), ['=b']);
  const uploads = { prefix: long, delimiter: '', afterKey: '', afterUploadId: '', limit: 10 };
  assert.deepEqual((await scene.storage.uploads.listUploads(bucket, uploads)).uploads, []);
}

/** Entries as in `naiveListing`. */
function linesOf(page: ListPage): string[] {
  return page.entries.map((entry) => (entry.kind === 'object' ? `=${entry.key}` : `/${entry.prefix}`));
}

async function lines(storage: Storage, bucket: BucketName, options: Partial<ListOptions>): Promise<string[]> {
  return linesOf(await storage.objects.list(bucket, { ...WHOLE, ...options }));
}

async function byteOrder(scene: Scene): Promise<void> {
  const ordered = [
    '\0',
    '\u0001',
    ' ',
    '!',
    'A',
    'a',
    'a\0',
    'a!',
    'a/',
    'a/b',
    'a0',
    'aa',
    'b',
    '\u007f',
    '\u0080',
    'é',
  ];
  ordered.push('\u07ff', '\u0800', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10000}a', '\u{10ffff}');
  const bucket = await filled(scene, [...ordered].reverse());
  assert.deepEqual(
    await lines(scene.storage, bucket, {}),
    ordered.map((name) => `=${name}`),
  );
}

async function folding(scene: Scene): Promise<void> {
  const { storage } = scene;
  const bucket = await filled(scene, ['a', 'a/', 'a/b', 'a/b/c', 'a/b/d', 'a/e', 'a//', 'b', 'c--d', 'c--e--f', 'c-x']);
  const cases: [Partial<ListOptions>, string[]][] = [
    [{ delimiter: '/' }, ['=a', '/a/', '=b', '=c--d', '=c--e--f', '=c-x']],
    [{ delimiter: '/', prefix: 'a' }, ['=a', '/a/']],
    [{ delimiter: '/', prefix: 'a/' }, ['=a/', '/a//', '=a/b', '/a/b/', '=a/e']],
    [{ delimiter: '/', prefix: 'a/b/' }, ['=a/b/c', '=a/b/d']],
    [{ delimiter: '--' }, ['=a', '=a/', '=a//', '=a/b', '=a/b/c', '=a/b/d', '=a/e', '=b', '/c--', '=c-x']],
    [{ delimiter: '--', prefix: 'c-' }, ['=c--d', '/c--e--', '=c-x']],
    [{ delimiter: 'x' }, ['=a', '=a/', '=a//', '=a/b', '=a/b/c', '=a/b/d', '=a/e', '=b', '=c--d', '=c--e--f', '/c-x']],
    [{ prefix: 'z' }, []],
    [{ prefix: 'a/b/c/d', delimiter: '/' }, []],
  ];
  for (const [options, expected] of cases) {
    assert.deepEqual(await lines(storage, bucket, options), expected, JSON.stringify(options));
  }
}

async function markers(scene: Scene): Promise<void> {
  const { storage } = scene;
  const bucket = await filled(scene, ['a', 'b/1', 'b/2', 'b0', 'c/1', 'd']);
  const delimiter = '/';
  const cases: [Partial<ListOptions>, string[]][] = [
    [{ after: 'a' }, ['=b/1', '=b/2', '=b0', '=c/1', '=d']],
    [{ after: 'a1' }, ['=b/1', '=b/2', '=b0', '=c/1', '=d']],
    [{ after: 'b/1', delimiter }, ['/b/', '=b0', '/c/', '=d']],
    [{ after: 'b/', delimiter }, ['/b/', '=b0', '/c/', '=d']],
    [{ after: 'b/', delimiter, afterPrefix: true }, ['=b0', '/c/', '=d']],
    [{ after: 'c/', delimiter, afterPrefix: true }, ['=d']],
    [{ after: 'a', prefix: 'b/' }, ['=b/1', '=b/2']],
    [{ after: 'c', prefix: 'b/' }, []],
    [{ after: 'd' }, []],
  ];
  for (const [options, expected] of cases) {
    assert.deepEqual(await lines(storage, bucket, options), expected, JSON.stringify(options));
  }
}

async function nothing(scene: Scene): Promise<void> {
  const { storage } = scene;
  for (const keys of [[], ['a', 'b/c']]) {
    const bucket = await filled(scene, keys);
    const limits = keys.length === 0 ? [0, 1, 1000] : [0];
    for (const limit of limits) {
      assert.deepEqual(await storage.objects.list(bucket, { ...WHOLE, limit }), { entries: [], next: undefined });
    }
  }
}

async function exactPages(scene: Scene): Promise<void> {
  const { storage } = scene;
  const bucket = await filled(scene, ['a', 'b/1', 'b/2', 'b/3']);
  const page = (options: Partial<ListOptions>) => storage.objects.list(bucket, { ...WHOLE, ...options });
  assert.deepEqual((await page({ limit: 1 })).next, { after: 'a', afterPrefix: false });
  assert.deepEqual((await page({ limit: 4 })).next, undefined);
  assert.deepEqual((await page({ limit: 3 })).next, { after: 'b/2', afterPrefix: false });
  assert.deepEqual((await page({ limit: 2, delimiter: '/' })).next, undefined, 'only what is folded is left');
  assert.deepEqual((await page({ limit: 1, prefix: 'b/3' })).next, undefined, 'only what the prefix excludes is left');
  const bucket2 = await filled(scene, ['b/1', 'b/2', 'c']);
  const { next } = await storage.objects.list(bucket2, { ...WHOLE, limit: 1, delimiter: '/' });
  assert.deepEqual(next, { after: 'b/', afterPrefix: true });
}

async function wideFolders(scene: Scene): Promise<void> {
  const { storage } = scene;
  const keys = Array.from({ length: 1050 }, (_, i) => `wide/${i}`);
  const bucket = await filled(scene, [...keys, 'a', 'z']);
  assert.deepEqual(await lines(storage, bucket, { delimiter: '/', limit: 3 }), ['=a', '/wide/', '=z']);
  const first = await storage.objects.list(bucket, { ...WHOLE, prefix: 'wide/' });
  assert.equal(first.entries.length, 1000);
  assert(first.next !== undefined);
  const second = await storage.objects.list(bucket, { ...WHOLE, prefix: 'wide/', ...first.next });
  assert.equal(second.next, undefined);
  assert.deepEqual(
    [...linesOf(first), ...linesOf(second)],
    keys.sort().map((name) => `=${name}`),
  );
}

async function infos(scene: Scene): Promise<void> {
  const { storage } = scene;
  const bucket = await filled(scene, ['a', 'b', 'c']);
  const { entries } = await storage.objects.list(bucket, WHOLE);
  for (const entry of entries) {
    assert(entry.kind === 'object');
    assert.deepEqual(entry.info, await storage.objects.head(bucket, entry.key));
  }
}

async function anyPage(scene: Scene): Promise<void> {
  await fc.assert(
    fc.asyncProperty(hostileKeys, fc.gen(), async (keys, draw) => {
      const bucket = await filled(scene, keys);
      for (let query = 0; query < 12; query++) {
        const options = {
          prefix: draw(prefixAmong, keys),
          delimiter: draw(() => hostileDelimiter),
          after: draw(prefixAmong, keys),
          afterPrefix: draw(fc.boolean),
          limit: draw(fc.constantFrom<number[]>, 0, 1, 2, 3, 7, 1000),
        };
        // A marker that is a prefix is one that the same query listed.
        if (options.after === '') options.afterPrefix = false;
        const expected = naiveListing(keys, options);
        const page = await scene.storage.objects.list(bucket, options);
        assert.deepEqual(linesOf(page), expected.slice(0, options.limit));
        assert.equal(page.next !== undefined, options.limit > 0 && expected.length > options.limit);
      }
    }),
    { numRuns: 40 },
  );
}

async function anyPaging(scene: Scene): Promise<void> {
  await fc.assert(
    fc.asyncProperty(hostileKeys, fc.gen(), async (keys, draw) => {
      const bucket = await filled(scene, keys);
      for (let query = 0; query < 4; query++) {
        const [prefix, delimiter, limit] = [
          draw(prefixAmong, keys),
          draw(() => hostileDelimiter),
          draw(fc.integer, { min: 1, max: 5 }),
        ];
        const listed: string[] = [];
        let cursor: ListPage['next'] = { after: '', afterPrefix: false };
        while (cursor !== undefined) {
          const page: ListPage = await scene.storage.objects.list(bucket, { prefix, delimiter, limit, ...cursor });
          assert(page.entries.length > 0 || listed.length === 0, 'a next page holds something');
          listed.push(...linesOf(page));
          assert(listed.length <= keys.length, 'paging does not repeat itself');
          cursor = page.next;
        }
        assert.deepEqual(listed, naiveListing(keys, { prefix, delimiter, after: '', afterPrefix: false }));
      }
    }),
    { numRuns: 25 },
  );
}
