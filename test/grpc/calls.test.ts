import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { type ClientDuplexStream, Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { GatewayError } from '../../src/base/errors.ts';
import { ErrorInfo, RetryInfo, Status } from '../../src/format/messages.ts';
import type { ServerCall } from '../../src/fronts/grpc/server-call.ts';
import {
  COLLECT,
  ECHO,
  type Handler,
  MANY,
  MESSAGE_BYTES_MAX,
  method,
  type Scene,
  signalled,
  UNARY,
  unary,
  whole,
  withScene,
} from './transport-scene.ts';

/** A front with one method of its own. */
function withHandler(
  handle: Handler,
  run: (scene: Scene) => Promise<void>,
  more: Parameters<typeof method>[3] = {},
): () => Promise<void> {
  return withScene({ methods: [method(ECHO, 'bidi-stream', handle, more)] }, run);
}

function bidi(scene: Scene, options: Parameters<Scene['client']>[0] = {}): ClientDuplexStream<Buffer, Buffer> {
  return scene.client(options).makeBidiStreamRequest(ECHO, whole, whole);
}

async function failure(stream: ClientDuplexStream<Buffer, Buffer>): Promise<ServiceError> {
  stream.resume();
  const [error] = (await once(stream, 'error')) as [ServiceError];
  return error;
}

async function all(stream: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

describe('a call of grpc-js', () => {
  test(
    'with one message each way is answered, also when they are empty',
    withScene({}, async (scene) => {
      const client = scene.client();
      for (const text of ['hello', '', 'x'.repeat(100_000)]) {
        assert.deepEqual(await unary(client, UNARY, Buffer.from(text)), Buffer.from(text));
      }
    }),
  );

  test(
    'with many responses gets them all',
    withScene({}, async (scene) => {
      const stream = scene.client().makeServerStreamRequest(MANY, whole, whole, Buffer.from('a'));
      assert.deepEqual(
        await all(stream),
        ['a', 'a', 'a'].map((text) => Buffer.from(text)),
      );
    }),
  );

  test(
    'with many requests is answered after the last one',
    withScene({}, async (scene) => {
      const answer = new Promise<Buffer | undefined>((resolve, reject) => {
        const stream = scene
          .client()
          .makeClientStreamRequest(COLLECT, whole, whole, (error: ServiceError | null, response?: Buffer) =>
            error === null ? resolve(response) : reject(error),
          );
        for (const text of ['a', 'b', 'c']) stream.write(Buffer.from(text));
        stream.end();
      });
      assert.equal(String(await answer), 'abc');
    }),
  );

  test(
    'with many messages both ways talks',
    withScene({}, async (scene) => {
      const stream = bidi(scene);
      for (const text of ['one', 'two']) {
        stream.write(Buffer.from(text));
        assert.equal(String((await once(stream, 'data'))[0]), text);
      }
      stream.end();
      const [told] = (await once(stream.resume(), 'status')) as [StatusObject];
      assert.equal(told.code, status.OK);
    }),
  );

  test(
    'carries messages of the largest size both ways, and refuses larger ones',
    withScene({}, async (scene) => {
      const client = scene.client();
      const large = Buffer.alloc(MESSAGE_BYTES_MAX, 7);
      assert.equal((await unary(client, UNARY, large)).equals(large), true);
      await assert.rejects(unary(client, UNARY, Buffer.alloc(MESSAGE_BYTES_MAX + 1)), {
        code: status.RESOURCE_EXHAUSTED,
        details: `A message has ${MESSAGE_BYTES_MAX + 1} bytes; at most ${MESSAGE_BYTES_MAX} are taken here.`,
      });
    }),
  );

  test(
    'does not send a response that is larger than any client expects',
    withHandler(
      async (call) => {
        await call.write(Buffer.alloc(17 * 1024 * 1024));
      },
      async (scene) => {
        const error = await failure(bidi(scene));
        assert.equal(error.code, status.RESOURCE_EXHAUSTED);
        assert.match(error.details, /A response has 17825792 bytes/);
      },
    ),
  );

  test(
    'takes its request in gzip, and gives its response in it where the method says so',
    withScene(
      {
        methods: [
          method(UNARY, 'unary', async (call) => call.write(await call.message()), { compresses: true }),
          method(ECHO, 'bidi-stream', async (call) => {
            for await (const message of call.messages()) await call.write(message);
          }),
        ],
      },
      async (scene) => {
        const client = scene.client({ 'grpc.default_compression_algorithm': 2 });
        const message = Buffer.alloc(100_000, 'abc');
        assert.equal((await unary(client, UNARY, message)).equals(message), true);
        const compressed = await scene.event();
        assert(compressed.bytesIn < 1000 && compressed.bytesOut < 1000, JSON.stringify(compressed));
        const stream = client.makeBidiStreamRequest(ECHO, whole, whole);
        stream.end(message);
        assert.deepEqual(await all(stream), [message]);
        const plain = await scene.event(2);
        assert(plain.bytesIn < 1000 && plain.bytesOut > 100_000, JSON.stringify(plain));
      },
    ),
  );

  test(
    'keeps the order of responses that are compressed at the same time',
    withHandler(
      async (call) => {
        const sizes = [500_000, 10, 2000, 0, 100_000];
        await Promise.all(sizes.map((bytes) => call.write(Buffer.alloc(bytes, bytes % 251))));
      },
      async (scene) => {
        const got = await all(bidi(scene));
        assert.deepEqual(
          got.map(({ length }) => length),
          [500_000, 10, 2000, 0, 100_000],
        );
      },
      { compresses: true },
    ),
  );

  test(
    'has metadata both ways',
    withHandler(
      async (call) => {
        assert.equal(call.headers['x-asked'], 'something');
        assert.equal(call.headers['x-bytes-bin'], 'AAH/');
        assert.equal(call.remoteAddress, '127.0.0.1');
        call.sendHeaders({ 'x-answered': 'yes ~!', 'x-bytes-bin': 'AAH/' });
        await call.write(Buffer.from('late'));
      },
      async (scene) => {
        const metadata = new Metadata();
        metadata.set('x-asked', 'something');
        metadata.set('x-bytes-bin', Buffer.from([0, 1, 255]));
        const stream = scene.client().makeBidiStreamRequest(ECHO, whole, whole, metadata);
        const [answered] = (await once(stream, 'metadata')) as [Metadata];
        assert.deepEqual(answered.get('x-answered'), ['yes ~!']);
        assert.deepEqual(answered.get('x-bytes-bin'), [Buffer.from([0, 1, 255])]);
        stream.end();
        assert.equal((await all(stream)).length, 1);
      },
    ),
  );

  for (const metadata of [
    { 'x-line': 'a\nb' },
    { 'x-nul': '\0' },
    { 'x-umlaut': 'ü' },
    { 'X-Upper': 'a' },
    { 'grpc-status': '0' },
    { ':status': '200' },
    { 'x-bin': 'no base64!' },
    { 'x-large': 'x'.repeat(5000) },
  ]) {
    test(
      `cannot be answered with metadata ${JSON.stringify(metadata).slice(0, 40)}`,
      withHandler(
        async (call) => call.sendHeaders(metadata),
        async (scene) => {
          assert.equal((await failure(bidi(scene))).code, status.INTERNAL);
          assert.equal(scene.logged.length, 1);
          assert(scene.logged[0]?.err instanceof TypeError);
          await scene.assertAlive();
        },
      ),
    );
  }
});

describe('the end of a call', () => {
  test(
    'by a refusal tells its code, its facts and whether to come back, in any language',
    withHandler(
      async () => {
        throw new GatewayError('SlowDown', 'Zu viele Anfragen: später.', {
          resource: '/b/ключ',
          details: { Key: 'ключ' },
        });
      },
      async (scene) => {
        const error = await failure(bidi(scene));
        assert.equal(error.code, status.RESOURCE_EXHAUSTED);
        assert.equal(error.details, 'Zu viele Anfragen: später.');
        const told = Status.decode(error.metadata.get('grpc-status-details-bin')[0] as Buffer);
        assert.equal(told.code, status.RESOURCE_EXHAUSTED);
        assert.equal(told.message, error.details);
        const [info, retry] = told.details;
        assert.equal(info?.typeUrl, 'type.googleapis.com/google.rpc.ErrorInfo');
        assert.deepEqual(
          { ...ErrorInfo.decode(info.value), metadata: { ...ErrorInfo.decode(info.value).metadata } },
          { reason: 'SlowDown', domain: 'penstock', metadata: { Key: 'ключ', resource: '/b/ключ' } },
        );
        assert.equal(retry?.typeUrl, 'type.googleapis.com/google.rpc.RetryInfo');
        assert.deepEqual(RetryInfo.decode(retry.value).retryDelay, { seconds: 1, nanos: 0 });
        assert.deepEqual(scene.logged, []);
        const event = await scene.event();
        assert.equal(event.status, status.RESOURCE_EXHAUSTED);
        assert.equal(event.errorCode, 'SlowDown');
      },
    ),
  );

  test(
    'by a refusal with enormous facts still reaches the client',
    withHandler(
      async (call) => {
        await call.write(Buffer.from('before'));
        const text = '\u{10FFFF}\ud800'.repeat(5000);
        throw new GatewayError('NoSuchKey', text, { resource: text, details: { Key: text } });
      },
      async (scene) => {
        const error = await failure(bidi(scene));
        assert.equal(error.code, status.NOT_FOUND);
        const [info] = Status.decode(error.metadata.get('grpc-status-details-bin')[0] as Buffer).details;
        assert.equal(info && ErrorInfo.decode(info.value).reason, 'NoSuchKey');
      },
    ),
  );

  test(
    'by a bug tells nothing of it, and logs it once',
    withHandler(
      async (call) => {
        await call.write(Buffer.from('x'));
        throw new Error('secret path /var/lib');
      },
      async (scene) => {
        const error = await failure(bidi(scene));
        assert.equal(error.code, status.INTERNAL);
        assert.doesNotMatch(JSON.stringify([error.details, error.metadata.toHttp2Headers()]), /secret|var/);
        assert.doesNotMatch(String(error.metadata.get('grpc-status-details-bin')[0]), /secret|var/);
        assert.equal(scene.logged.length, 1);
        assert.match(String(scene.logged[0]?.err), /secret path/);
      },
    ),
  );

  for (const [name, handle] of [
    ['without its response', async (call: ServerCall) => void (await call.message())],
    [
      'with two responses',
      async (call: ServerCall) => {
        await call.write(await call.message());
        await call.write(Buffer.from('another'));
      },
    ],
  ] as const) {
    test(
      `of a method with one response ${name} is a bug`,
      withScene({ methods: [method(UNARY, 'unary', handle)] }, async (scene) => {
        await assert.rejects(unary(scene.client(), UNARY, Buffer.from('a')), { code: status.INTERNAL });
        assert(scene.logged[0]?.err instanceof TypeError);
      }),
    );
  }

  test(
    'by the deadline wakes the handler, and nothing that it does has an effect',
    withHandler(
      async (call) => {
        assert(call.deadlineMs > call.startedMs && call.deadlineMs < call.startedMs + 1000);
        await once(call.signal, 'abort');
        assert.equal(call.isOver, true);
        await assert.rejects(call.write(Buffer.from('late')), { name: 'GatewayError' });
        await assert.rejects(call.message());
        call.abort();
        throw new Error('of no interest');
      },
      async (scene) => {
        const stream = scene.client().makeBidiStreamRequest(ECHO, whole, whole, { deadline: Date.now() + 60 });
        assert.equal((await failure(stream)).code, status.DEADLINE_EXCEEDED);
        const event = await scene.event();
        // The client's own deadline may have come first.
        assert([status.DEADLINE_EXCEEDED, status.CANCELLED].includes(event.status));
        assert.deepEqual(scene.logged, []);
      },
    ),
  );

  test('by cancellation wakes whoever writes or waits', async () => {
    for (const wait of [
      async (call: ServerCall) => {
        for (;;) await call.write(Buffer.alloc(1024 * 1024));
      },
      async (call: ServerCall) => {
        await once(call.signal, 'abort');
        throw call.signal.reason;
      },
    ]) {
      const begun = signalled();
      const woken = signalled();
      await withHandler(
        async (call) => {
          call.sendHeaders({});
          begun.tell();
          await assert.rejects(wait(call), { name: 'GatewayError' });
          assert.equal(call.isOver, true);
          woken.tell();
        },
        async (scene) => {
          const stream = bidi(scene);
          stream.on('error', () => {});
          await begun.promise;
          stream.cancel();
          await woken.promise;
          assert.equal((await scene.event()).status, status.CANCELLED);
        },
      )();
    }
  });

  test('by cancellation reaches a handler that does not read what came', async () => {
    const begun = signalled();
    const woken = signalled();
    await withHandler(
      async (call) => {
        const messages = call.messages()[Symbol.asyncIterator]();
        await messages.next();
        begun.tell();
        await once(call.signal, 'abort');
        await assert.rejects(messages.next());
        woken.tell();
      },
      async (scene) => {
        const stream = bidi(scene);
        stream.on('error', () => {});
        for (let i = 0; i < 20; i++) stream.write(Buffer.alloc(300_000));
        await begun.promise;
        stream.cancel();
        await woken.promise;
      },
    )();
  });

  test('of a request that breaks off never looks like the end of a request', async () => {
    const over = signalled();
    let outcome: string | undefined;
    await withHandler(
      async (call) => {
        try {
          for await (const message of call.messages()) if (message.length === 1) await call.write(message);
          outcome = 'complete';
        } catch {
          outcome = 'broken';
        }
        over.tell();
      },
      async (scene) => {
        const stream = bidi(scene);
        stream.on('error', () => {});
        stream.write(Buffer.from('a'));
        await once(stream, 'data');
        for (const socket of scene.sockets) socket.resetAndDestroy();
        await over.promise;
        assert.equal(outcome, 'broken');
      },
    )();
  });

  test(
    'by abort is an error for the client, whether it has something or nothing',
    withScene(
      {
        methods: [
          method(ECHO, 'bidi-stream', async (call) => {
            for await (const message of call.messages()) await call.write(message);
            call.abort();
          }),
        ],
      },
      async (scene) => {
        for (const messages of [0, 3]) {
          const stream = bidi(scene);
          for (let i = 0; i < messages; i++) stream.write(Buffer.from('x'));
          stream.end();
          assert.equal((await failure(stream)).code, status.INTERNAL);
        }
      },
    ),
  );

  test(
    'before the request was read stops the client from sending the rest',
    withHandler(
      async (call) => {
        await call.write(Buffer.from('enough'));
      },
      async (scene) => {
        const stream = bidi(scene);
        for (let i = 0; i < 100; i++) stream.write(Buffer.alloc(1024 * 1024));
        stream.resume();
        const [told] = (await once(stream, 'status')) as [StatusObject];
        assert.equal(told.code, status.OK);
      },
    ),
  );
});

describe('the event of a call', () => {
  test(
    'tells what it was, how it ended, and how much went over the wire',
    withHandler(
      async (call) => {
        call.accessKeyId = 'ALICE';
        call.resource = '/bucket/key';
        for await (const message of call.messages()) await call.writeFramed([Buffer.from([0, 0, 0, 0, 3]), message]);
      },
      async (scene) => {
        const stream = bidi(scene);
        for (const text of ['abc', 'def']) stream.write(Buffer.from(text));
        stream.end();
        assert.deepEqual((await all(stream)).map(String), ['abc', 'def']);
        const { durationMs, ...event } = await scene.event();
        assert(durationMs > 0 && durationMs < 10_000);
        assert.deepEqual(event, {
          method: ECHO,
          status: status.OK,
          errorCode: undefined,
          bytesIn: 16,
          bytesOut: 16,
          messagesIn: 2,
          messagesOut: 2,
          accessKeyId: 'ALICE',
          resource: '/bucket/key',
          remoteAddress: '127.0.0.1',
        });
      },
    ),
  );

  test(
    'does not repeat the name of a method that is not there',
    withScene({}, async (scene) => {
      await assert.rejects(unary(scene.client(), '/made.Up/Name', Buffer.from('a')), { code: status.UNIMPLEMENTED });
      const event = await scene.event();
      assert.equal(event.method, 'Unknown');
      assert.equal(event.status, status.UNIMPLEMENTED);
    }),
  );

  test('cannot break a call', async () => {
    const observe = () => {
      throw new Error('observer');
    };
    await withScene({ observe }, async (scene) => {
      const client = scene.client();
      for (let i = 0; i < 2; i++) await unary(client, UNARY, Buffer.from('a'));
      await scene.assertAlive();
    })();
  });
});
