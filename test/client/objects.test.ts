/** One object at a time, deletes and lists, against gateways that break off and lie. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { GrpcCode, type ListItem, PenstockClient } from '../../src/client/client.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import {
  DeleteRequest,
  DeleteResponse,
  GetChunk,
  GetRequest,
  HeadRequest,
  ListPage,
  ListRequest,
  ObjectInfo,
  Status,
} from '../../src/format/messages.ts';
import {
  type FakeCall,
  type FakeGateway,
  hastyClock,
  readChunks,
  type Script,
  startFakeGateway,
  statusOf,
} from './fake-gateway.ts';

const KEY = { accessKeyId: 'AKTEST', secretKey: 'a-secret-of-the-test' };
const BODY = Buffer.from('0123456789'.repeat(10));
const INFO = { bucket: 'train', key: 'k', size: BODY.length, etag: 'e-1', crc32: crc32Of(BODY, 0) >>> 0 };

let gateway: FakeGateway;
let client: PenstockClient;

async function serve(scripts: Readonly<Record<string, Script>>): Promise<void> {
  gateway = await startFakeGateway(scripts);
  client = new PenstockClient({ endpoint: gateway.endpoint, ...KEY, bucket: 'train', clock: hastyClock() });
}

afterEach(async () => {
  client.close();
  await gateway.stop();
});

const request = async (call: FakeCall): Promise<GetRequest> => GetRequest.decode((await call.next()) as Buffer);
const chunk = (offset: number, end: number, info?: Partial<typeof INFO>): Buffer =>
  GetChunk.encode({ offset, data: BODY.subarray(offset, end), info });

test('an object comes with what is known of it, whole and checked', async () => {
  await serve({
    'Objects/Get': [
      async (call) => {
        const { key, range } = await request(call);
        assert.deepEqual([key, range], ['k', undefined]);
        await call.send(chunk(0, 60, INFO));
        await call.send(chunk(60, 100));
        call.end();
      },
    ],
  });
  const object = await client.get('k');
  assert.deepEqual([object.info.etag, object.info.size, object.length], ['e-1', 100, 100]);
  assert.ok((await object.bytes()).equals(BODY));
});

test('an object that breaks off is taken up where it stopped, on condition that it is the same', async () => {
  const asked: GetRequest[] = [];
  await serve({
    'Objects/Get': [
      async (call) => {
        asked.push(await request(call));
        await call.send(chunk(10, 30, INFO));
        await new Promise((resolve) => setImmediate(resolve));
        call.reset(2);
      },
      async (call) => {
        asked.push(await request(call));
        await call.send(chunk(30, 50, INFO));
        call.end(); // well, and too early
      },
      async (call) => {
        asked.push(await request(call));
        await call.send(chunk(50, 90, INFO));
        call.end();
      },
    ],
  });
  const chunks: Buffer[] = [];
  for await (const bytes of await client.get('k', { range: { start: 10, end: 90 } })) chunks.push(bytes);
  assert.ok(Buffer.concat(chunks).equals(BODY.subarray(10, 90)));
  assert.deepEqual(
    asked.map(({ range, ifMatch }) => [range?.start, range?.end, ifMatch]),
    [
      [10, 90, ''],
      [30, 90, 'e-1'],
      [50, 90, 'e-1'],
    ],
  );
});

test('an object that was replaced meanwhile is not pieced together', async () => {
  await serve({
    'Objects/Get': [
      async (call) => {
        await request(call);
        await call.send(chunk(0, 30, INFO));
        await new Promise((resolve) => setImmediate(resolve));
        call.reset(2);
      },
      async (call) => {
        await request(call);
        call.end(9, 'it has another ETag', Status.encode(statusOf(9, '', 'PreconditionFailed')));
      },
    ],
  });
  const object = await client.get('k');
  await assert.rejects(object.bytes(), { code: GrpcCode.FAILED_PRECONDITION, key: 'k' });
});

test('bytes that are not those of the object are DATA_LOSS before the last of them is given', async () => {
  await serve({
    'Objects/Get': [
      async (call) => {
        await request(call);
        await call.send(chunk(0, 50, { ...INFO, crc32: 7 }));
        await call.send(chunk(50, 100));
        call.end();
      },
    ],
  });
  let bytes = 0;
  const read = async (): Promise<void> => {
    for await (const part of await client.get('k')) bytes += part.length;
  };
  await assert.rejects(read(), { code: GrpcCode.DATA_LOSS, key: 'k' });
  assert.equal(bytes, 50);
});

test('an empty object is one, an absent one is NOT_FOUND for get and undefined for stat', async () => {
  await serve({
    'Objects/Get': [
      async (call) => {
        await request(call);
        await call.send(GetChunk.encode({ info: { ...INFO, size: 0, crc32: 0 } }));
        call.end();
      },
      (call) => call.end(5, 'no k', Status.encode(statusOf(5, '', 'NoSuchKey'))),
    ],
    'Objects/Head': [
      async (call) => {
        assert.equal(HeadRequest.decode((await call.next()) as Buffer).key, 'k');
        await call.send(ObjectInfo.encode({ ...INFO, metadata: { a: 'b' }, modified: { seconds: 1, nanos: 500e6 } }));
        call.end();
      },
      (call) => call.end(5, 'no k', Status.encode(statusOf(5, '', 'NoSuchKey'))),
      (call) => call.end(5, 'no bucket', Status.encode(statusOf(5, '', 'NoSuchBucket'))),
    ],
  });
  assert.equal((await (await client.get('k')).bytes()).length, 0);
  await assert.rejects(client.get('k'), { code: GrpcCode.NOT_FOUND, reason: 'NoSuchKey' });
  const info = await client.stat('k');
  assert.deepEqual([info?.size, info?.modified, info?.metadata.a], [100, new Date(1500), 'b']);
  assert.equal(await client.stat('k'), undefined);
  await assert.rejects(client.stat('k'), { reason: 'NoSuchBucket' });
});

test('a put is sent again when it may help, and its refusal is what is told, not the broken-off body', async () => {
  const large = Buffer.alloc(8 * 1024 * 1024, 'x');
  await serve({
    'Objects/Put': [
      (call) => call.reset(7),
      async (call) => {
        let bytes = 0;
        for await (const { data } of readChunks(call)) bytes += data.length;
        await call.send(ObjectInfo.encode({ ...INFO, size: bytes }));
        call.end();
      },
      async (call) => {
        await call.next();
        call.end(8, 'the disk is full', Status.encode(statusOf(8, '', 'StorageFull')));
      },
    ],
  });
  assert.equal((await client.put('k', large, { contentType: 'image/png' })).size, large.length);
  await assert.rejects(client.put('k', large), { code: GrpcCode.RESOURCE_EXHAUSTED, reason: 'StorageFull', key: 'k' });
});

test('more keys than one request takes are deleted in several, and every key has its outcome', async () => {
  const sizes: number[] = [];
  await serve({
    'Objects/Delete': [
      async (call) => {
        const { keys } = DeleteRequest.decode((await call.next()) as Buffer);
        sizes.push(keys.length);
        const statuses = keys.map((key) => (key === 'k1500' ? statusOf(7, 'not yours', 'AccessDenied') : { code: 0 }));
        await call.send(DeleteResponse.encode({ statuses }));
        call.end();
      },
    ],
  });
  const outcomes = await client.delete(Array.from({ length: 2001 }, (_, i) => `k${i}`));
  assert.deepEqual(sizes, [1000, 1000, 1]);
  assert.equal(outcomes.length, 2001);
  assert.deepEqual(
    outcomes.flatMap((error) => (error === undefined ? [] : [error.message])),
    ['k1500: not yours'],
  );
});

test('a list that breaks, or ends without its last page, is taken up behind the last page that came', async () => {
  const tokens: string[] = [];
  const token = async (call: FakeCall): Promise<void> => {
    tokens.push(ListRequest.decode((await call.next()) as Buffer).resumeToken);
  };
  const page = (keys: readonly string[], resumeToken: string, commonPrefixes: readonly string[] = []): Buffer =>
    ListPage.encode({ objects: keys.map((key) => ({ ...INFO, key })), commonPrefixes, resumeToken });
  await serve({
    'Objects/List': [
      async (call) => {
        await token(call);
        await call.send(page(['a', 'é'], 't1', ['b/', 'c/']));
        await call.send(page([], 't2', ['z/']));
        await new Promise((resolve) => setImmediate(resolve));
        call.reset(2);
      },
      async (call) => {
        await token(call);
        await call.send(page(['c'], 't3'));
        call.end();
      },
      async (call) => {
        await token(call);
        await call.send(page(['d'], ''));
        call.end();
      },
    ],
  });
  const names: string[] = [];
  const nameOf = (item: ListItem): string => (item.kind === 'object' ? item.key : item.prefix);
  for await (const item of client.list({ delimiter: '/' })) names.push(nameOf(item));
  assert.deepEqual(names.slice(0, 4), ['a', 'b/', 'c/', 'é']);
  assert.deepEqual(names.slice(-2), ['c', 'd']);
  assert.equal(tokens[0], '');
  assert.deepEqual(tokens.slice(-1), ['t3']);
});

test('a client that was closed says so', async () => {
  await serve({});
  client.close();
  await assert.rejects(client.stat('k'), /the client was closed/);
  await assert.rejects(client.getMany(['k']), /the client was closed/);
});
