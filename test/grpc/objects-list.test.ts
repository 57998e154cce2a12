import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../../src/base/limits.ts';
import { parseBucketName, parseObjectKey } from '../../src/base/names.ts';
import type { Input } from '../../src/format/message-type.ts';
import { ListPage, ListRequest } from '../../src/format/messages.ts';
import { objectsMethods } from '../../src/fronts/grpc/objects.ts';
import { decodeResumeToken, encodeResumeToken } from '../../src/fronts/grpc/resume-token.ts';
import type { Credential } from '../../src/service/credentials.ts';
import { bytesSource, noise } from '../contract/scene.ts';
import { ALT, MAIN } from '../s3/users.ts';
import { callAs, methodOf, openPlane, type Plane, refusedWith } from './services-scene.ts';

const BUCKET = parseBucketName('images');

async function scene(keys: readonly string[], metadata?: Record<string, string>): Promise<Plane> {
  const plane = await openPlane();
  await plane.storage.buckets.create(BUCKET, MAIN.ownerId, { acl: 'private' });
  const source = bytesSource(noise(3), metadata === undefined ? {} : { metadata });
  for (const key of keys) await plane.storage.objects.put(BUCKET, parseObjectKey(key), source, {});
  return plane;
}

function requestOf(request: Partial<Input<ListRequest>>): Input<ListRequest> {
  return { bucket: BUCKET, prefix: '', delimiter: '', startAfter: '', resumeToken: '', pageSize: 0, ...request };
}

async function list(
  plane: Plane,
  user: Credential | undefined,
  request: Partial<Input<ListRequest>>,
): Promise<ListPage[]> {
  const method = methodOf(objectsMethods(plane), 'List');
  const call = callAs(user, method)
    .send(ListRequest.encode(requestOf(request)))
    .end();
  await method.handle(call);
  return call.sent.map((message) => ListPage.decode(message));
}

const namesOf = (pages: readonly ListPage[]) =>
  pages.flatMap(({ objects, commonPrefixes }) => [...objects.map(({ key }) => key), ...commonPrefixes]);

test('pages follow each other until all was sent, and the last one has no token', async () => {
  const keys = ['a', 'b', 'c', 'd', 'e'];
  const plane = await scene(keys);
  const pages = await list(plane, MAIN, { pageSize: 2 });
  assert.deepEqual(
    pages.map(({ objects }) => objects.length),
    [2, 2, 1],
  );
  assert.deepEqual(namesOf(pages), keys);
  assert.deepEqual(
    pages.map(({ resumeToken }) => resumeToken === ''),
    [false, false, true],
  );
  assert.equal(pages[0]?.objects[0]?.size, 3);
});

test('a bucket without what is asked for has one empty page', async () => {
  const plane = await scene(['a']);
  const pages = await list(plane, MAIN, { prefix: 'b' });
  assert.equal(pages.length, 1);
  assert.deepEqual([pages[0]?.objects.length, pages[0]?.resumeToken], [0, '']);
});

test('prefix, delimiter and start_after', async () => {
  const plane = await scene(['a/1', 'a/2', 'b/1', 'c', 'd/x/1', 'd/y']);
  assert.deepEqual(namesOf(await list(plane, MAIN, { delimiter: '/', pageSize: 1 })), ['a/', 'b/', 'c', 'd/']);
  assert.deepEqual(namesOf(await list(plane, MAIN, { prefix: 'd/', delimiter: '/' })), ['d/y', 'd/x/']);
  assert.deepEqual(namesOf(await list(plane, MAIN, { startAfter: 'b/1' })), ['c', 'd/x/1', 'd/y']);
});

test('a list goes on from the token of any page, in another call', async () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[ab/é\u{1F600}]{1,4}$/u), { maxLength: 14 });
  await fc.assert(
    fc.asyncProperty(
      names,
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom('', '/', 'a'),
      async (keys, pageSize, delimiter) => {
        const plane = await scene(keys);
        const whole = namesOf(await list(plane, MAIN, { delimiter })).sort();
        const pages = await list(plane, MAIN, { delimiter, pageSize });
        assert.deepEqual(namesOf(pages).sort(), whole);
        for (const [i, { resumeToken }] of pages.entries()) {
          if (resumeToken === '') continue;
          const rest = await list(plane, MAIN, { delimiter, resumeToken, startAfter: 'zzz' });
          assert.deepEqual([...namesOf(pages.slice(0, i + 1)), ...namesOf(rest)].sort(), whole);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a page that would be too large for a message is cut, and each piece can be gone on from', async () => {
  const keys = Array.from({ length: 600 }, (_, i) => `${String(i).padStart(4, '0')}${'é'.repeat(400)}`);
  const plane = await scene(keys, { note: 'x'.repeat(2000) });
  const pages = await list(plane, MAIN, {});
  assert(pages.length > 1);
  assert(pages.every((page) => ListPage.encode(page).length <= LIMITS.listMessageBytes + 8192));
  assert.deepEqual(namesOf(pages), keys);
  assert.deepEqual(
    namesOf(await list(plane, MAIN, { resumeToken: pages[0]?.resumeToken ?? '' })),
    keys.slice(pages[0]?.objects.length),
  );
});

test('a token that is not ours, or of another query, is refused', async () => {
  const plane = await scene(['a', 'b', 'c']);
  const token = (await list(plane, MAIN, { pageSize: 1 }))[0]?.resumeToken as string;
  assert.deepEqual(namesOf(await list(plane, MAIN, { resumeToken: token })), ['b', 'c']);
  for (const resumeToken of ['x', '!', `${token}A`, token.slice(0, -1), `B${token.slice(1)}`]) {
    await refusedWith(list(plane, MAIN, { resumeToken }), 'InvalidArgument');
  }
  await refusedWith(list(plane, MAIN, { resumeToken: token, prefix: 'a' }), 'InvalidArgument');
  await refusedWith(list(plane, MAIN, { resumeToken: token, delimiter: '/' }), 'InvalidArgument');
});

test('tokens carry any place, and no damaged one passes', () => {
  const query = { bucket: 'images', prefix: 'p', delimiter: '/' };
  const place = fc.record({ after: fc.string({ unit: 'grapheme', minLength: 1 }), afterPrefix: fc.boolean() });
  fc.assert(
    fc.property(place, fc.nat(), fc.integer({ min: 1, max: 255 }), (at, where, flip) => {
      const token = encodeResumeToken(at, query);
      assert.deepEqual(decodeResumeToken(token, query), { ...at });
      const bytes = Buffer.from(token, 'base64url');
      const i = where % bytes.length;
      bytes[i] = (bytes[i] as number) ^ flip;
      assert.throws(() => decodeResumeToken(bytes.toString('base64url'), query));
    }),
  );
});

test('page_size has a bound', async () => {
  const plane = await scene(['a']);
  await refusedWith(list(plane, MAIN, { pageSize: LIMITS.listPageMax + 1 }), 'InvalidArgument');
});

test('who may not list is refused', async () => {
  const plane = await scene(['a']);
  await refusedWith(list(plane, ALT, {}), 'AccessDenied');
  await refusedWith(list(plane, undefined, {}), 'AccessDenied');
});

test('the next page is read when the last one has left', async () => {
  const plane = await scene(['a', 'b', 'c']);
  let pages = 0;
  const { storage } = plane;
  const spy = Object.create(storage.objects) as typeof storage.objects;
  spy.list = (bucket, options) => {
    pages++;
    return storage.objects.list(bucket, options);
  };
  const method = methodOf(objectsMethods({ ...plane, storage: { ...storage, objects: spy } }), 'List');
  const call = callAs(MAIN, method)
    .send(ListRequest.encode(requestOf({ pageSize: 1 })))
    .end();
  call.block();
  const done = method.handle(call);
  await new Promise(setImmediate);
  assert.equal(pages, 1);
  call.unblock();
  await done;
  assert.equal(pages, 3);
});
