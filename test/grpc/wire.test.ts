import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http2';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { GatewayError } from '../../src/base/errors.ts';
import { END_STREAM, FRAME, frame, RawPeer, uint32 } from './raw-peer.ts';
import {
  CHECK,
  COLLECT,
  ECHO,
  ECHOES,
  framed,
  MANY,
  MESSAGE_BYTES_MAX,
  method,
  outcome,
  request,
  Scene,
  signalled,
  UNARY,
  withScene,
} from './transport-scene.ts';

const GZIP = { 'grpc-encoding': 'gzip' };
const hello = framed(Buffer.from('hello'));

/** What of it is wrong, where it is sent, headers, body, and the status that must come. */
const CASES: readonly [string, string, IncomingHttpHeaders, Buffer, number][] = [
  ['a message that is cut in its bytes', UNARY, {}, hello.subarray(0, 8), 13],
  ['a message that is cut in its prefix', UNARY, {}, hello.subarray(0, 3), 13],
  ['a second message that is cut', COLLECT, {}, Buffer.concat([hello, hello.subarray(0, 9)]), 13],
  ['no message where one is wanted', UNARY, {}, Buffer.alloc(0), 12],
  ['no message where one is wanted, with many responses', MANY, {}, Buffer.alloc(0), 12],
  ['two messages where one is wanted', UNARY, {}, Buffer.concat([hello, hello]), 12],
  ['two messages where one is wanted, with many responses', MANY, {}, Buffer.concat([hello, hello]), 12],
  ['a flag that does not exist', UNARY, {}, framed(Buffer.from('a'), 2), 13],
  ['a compressed message without an encoding', UNARY, {}, framed(gzipSync('a'), 1), 13],
  ['a compressed message in identity', UNARY, { 'grpc-encoding': 'identity' }, framed(gzipSync('a'), 1), 13],
  ['a compressed message that is no gzip', UNARY, GZIP, framed(Buffer.from('no gzip'), 1), 13],
  ['a compressed message that is cut', UNARY, GZIP, framed(gzipSync('abc').subarray(0, 15), 1), 13],
  ['a compressed message of nothing', UNARY, GZIP, framed(Buffer.alloc(0), 1), 13],
  ['an encoding that is not known', UNARY, { 'grpc-encoding': 'br' }, framed(Buffer.from('a'), 1), 12],
  ['a message that says to be too large', UNARY, {}, Buffer.from([0, 0, 0x40, 0, 1]), 8],
  ['a message that says to have 4 GiB', UNARY, {}, Buffer.from([0, 255, 255, 255, 255, 1]), 8],
  [
    'a message that is too large once decompressed',
    UNARY,
    GZIP,
    framed(gzipSync(Buffer.alloc(MESSAGE_BYTES_MAX + 1)), 1),
    8,
  ],
  ['a bomb of 256 MiB', UNARY, GZIP, framed(gzipSync(Buffer.alloc(256 << 20), { level: 1 }), 1), 8],
  ['a deadline without a unit', UNARY, { 'grpc-timeout': '10' }, hello, 13],
  ['a deadline of nine digits', UNARY, { 'grpc-timeout': '123456789m' }, hello, 13],
  ['a path that is not served', '/test.Test/None', {}, hello, 12],
  ['a path without a method', '/', {}, hello, 12],
  ['a path of the language', '/constructor', {}, hello, 12],
  ['a path of the language, again', '/__proto__', {}, hello, 12],
];

const GOOD: readonly [string, string, IncomingHttpHeaders, Buffer][] = [
  ['a message that is not compressed in a call with gzip', UNARY, GZIP, hello],
  ['a compressed message', UNARY, GZIP, framed(gzipSync('hello'), 1)],
  ['a compressed message of the largest size', UNARY, GZIP, framed(gzipSync(Buffer.alloc(MESSAGE_BYTES_MAX)), 1)],
  ['no message in a stream', ECHO, {}, Buffer.alloc(0)],
  ['empty messages', ECHO, {}, Buffer.concat([framed(Buffer.alloc(0)), framed(Buffer.alloc(0))])],
  ['a content type with a format', UNARY, { 'content-type': 'application/grpc+proto' }, hello],
  ['a content type with a parameter', UNARY, { 'content-type': 'application/grpc;charset=utf-8' }, hello],
  ['no te', UNARY, { te: undefined }, hello],
  ['an enormous deadline', UNARY, { 'grpc-timeout': '99999999H' }, hello],
];

describe('on the wire', () => {
  for (const [name, path, headers, body, status] of CASES) {
    test(
      `${name} ends with ${status}, and the connection lives on`,
      withScene({}, async (scene) => {
        const session = await scene.session();
        const stream = request(session, path, headers);
        stream.end(body);
        const ended = await outcome(stream);
        assert.equal(ended.headers['grpc-status'], String(status));
        assert.match(String(ended.headers['grpc-message']), /^[ -~]{10,}$/);
        if (headers['grpc-encoding'] === 'br') assert.equal(ended.headers['grpc-accept-encoding'], 'identity,gzip');
        const next = request(session, UNARY);
        next.end(hello);
        assert.deepEqual((await outcome(next)).body, hello);
        assert.deepEqual(scene.logged, []);
      }),
    );
  }

  for (const [name, path, headers, body] of GOOD) {
    test(
      `${name} is fine`,
      withScene({}, async (scene) => {
        const stream = request(await scene.session(), path, headers);
        stream.end(body);
        assert.equal((await outcome(stream)).headers['grpc-status'], '0');
      }),
    );
  }

  test(
    'what is no gRPC is told so in HTTP, and needs not send its body',
    withScene({}, async (scene) => {
      const session = await scene.session();
      for (const headers of [
        { ':method': 'GET', ':path': CHECK },
        { ':method': 'PUT', ':path': CHECK, 'content-type': 'application/grpc' },
        { ':method': 'POST', ':path': CHECK },
        { ':method': 'POST', ':path': CHECK, 'content-type': 'application/json' },
        { ':method': 'POST', ':path': CHECK, 'content-type': 'application/grpc-web' },
      ]) {
        const ended = await outcome(session.request(headers, { endStream: headers[':method'] === 'GET' }));
        assert.equal(ended.headers[':status'], 415);
        assert.equal(ended.rstCode, 0);
      }
      await scene.assertAlive();
    }),
  );

  test(
    'messages are the same however DATA frames are cut',
    withScene({}, async (scene) => {
      const session = await scene.session();
      const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
      const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(messages, cuts, async (sent, shares) => {
          const bytes = Buffer.concat(sent.map((message) => framed(Buffer.from(message))));
          const at = [
            0,
            ...shares.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b),
            bytes.length,
          ];
          const stream = request(session, ECHO);
          for (const [i, end] of at.slice(1).entries()) {
            await new Promise((written) => stream.write(bytes.subarray(at[i], end), written));
          }
          stream.end();
          const { body, headers } = await outcome(stream);
          assert.equal(headers['grpc-status'], '0');
          assert.deepEqual(body, bytes);
        }),
        { numRuns: 60 },
      );
    }),
  );

  test(
    'any bytes as a request end with some status, and the connection lives on',
    withScene({}, async (scene) => {
      const session = await scene.session();
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ maxLength: 200 }),
          fc.constantFrom(UNARY, MANY, COLLECT, ECHO, CHECK),
          fc.constantFrom({}, GZIP),
          async (bytes, path, headers) => {
            const stream = request(session, path, headers);
            stream.end(Buffer.from(bytes));
            assert.match(String((await outcome(stream)).headers['grpc-status']), /^\d+$/);
          },
        ),
        { numRuns: 200 },
      );
      await scene.assertAlive();
      assert.deepEqual(scene.logged, []);
    }),
  );

  test(
    'an answer that comes before the end of the request is followed by a reset without an error',
    withScene({}, async (scene) => {
      const peer = new RawPeer(await scene.tcp());
      peer.hello().open(1, '/test.Test/None');
      const reset = await peer.hears(({ type, stream }) => type === FRAME.reset && stream === 1);
      assert.deepEqual(reset?.payload, uint32(0));
      const before = peer.heard.findIndex(({ type, stream }) => type === FRAME.headers && stream === 1);
      assert(before >= 0 && before < peer.heard.indexOf(reset as never), 'the status comes first');
    }),
  );

  test('a reset in the middle of a request wakes its reader with an error', async () => {
    const begun = signalled();
    const broken = signalled();
    const reader = method(COLLECT, 'client-stream', async (call) => {
      const messages = call.messages()[Symbol.asyncIterator]();
      await messages.next();
      begun.tell();
      await assert.rejects(messages.next(), GatewayError);
      broken.tell();
    });
    await withScene({ methods: [reader] }, async (scene) => {
      const peer = new RawPeer(await scene.tcp());
      peer
        .hello()
        .open(1, COLLECT)
        .say(frame(FRAME.data, 0, 1, Buffer.concat([hello, hello.subarray(0, 7)])));
      await begun.promise;
      peer.say(frame(FRAME.reset, 0, 1, uint32(8)));
      await broken.promise;
      assert.equal((await scene.event()).status, 1);
    })();
  });

  test('a request that is ended and reset in one breath, as Node cancels, does not look complete', async () => {
    const results: string[] = [];
    const over = signalled();
    const reader = method(COLLECT, 'client-stream', async (call) => {
      try {
        for await (const message of call.messages()) results.push(message.toString());
        results.push('complete');
      } catch {
        results.push('broken');
      }
      over.tell();
    });
    await withScene({ methods: [reader] }, async (scene) => {
      const peer = new RawPeer(await scene.tcp());
      peer.hello().open(1, COLLECT);
      await peer.settled();
      peer.say(frame(FRAME.data, END_STREAM, 1, hello), frame(FRAME.reset, 0, 1, uint32(8)));
      await over.promise;
      assert.deepEqual(results.at(-1), 'broken');
    })();
  });

  test(
    'an abort is a reset and no END_STREAM',
    withScene(
      {
        methods: [
          method(ECHO, 'bidi-stream', async (call) => {
            await call.write(Buffer.from('half'));
            call.abort();
          }),
        ],
      },
      async (scene) => {
        const peer = new RawPeer(await scene.tcp());
        peer.hello().open(1, ECHO);
        const reset = await peer.hears(({ type, stream }) => type === FRAME.reset && stream === 1);
        assert.deepEqual(reset?.payload, uint32(2));
        const ends = peer.heard.filter(
          ({ type, flags, stream }) => type <= 1 && stream === 1 && (flags & END_STREAM) !== 0,
        );
        assert.deepEqual(ends, []);
      },
    ),
  );

  test('a deadline resets a call whose response waits for the client', async () => {
    const writer = method(ECHO, 'bidi-stream', async (call) => {
      for (;;) await call.write(Buffer.alloc(100_000));
    });
    await withScene({ methods: [writer] }, async (scene) => {
      const peer = new RawPeer(await scene.tcp());
      peer.hello().open(1, ECHO, { 'grpc-timeout': '50m' });
      const reset = await peer.hears(({ type, stream }) => type === FRAME.reset && stream === 1);
      assert.deepEqual(reset?.payload, uint32(8));
      assert.equal((await scene.event()).status, 4);
    })();
  });

  test('a request that would hold more memory than there is is asked to come back', async () => {
    const scene = await new Scene({ methods: ECHOES, limits: { requestBytesMax: 100_000 } }).listen();
    try {
      const session = await scene.session();
      const first = request(session, UNARY);
      first.write(framed(Buffer.alloc(90_000)).subarray(0, 80_000));
      const large = request(session, UNARY);
      large.end(framed(Buffer.alloc(200_000)));
      const refused = await outcome(large);
      assert.equal(refused.headers['grpc-status'], '8');
      assert.match(String(refused.headers['grpc-message']), /try again/);
      first.end(framed(Buffer.alloc(90_000)).subarray(80_000));
      assert.equal((await outcome(first)).body.length, 90_005);
      // What was held was given back, by those that ended well and those that did not.
      for (let i = 0; i < 5; i++) {
        const next = request(session, UNARY);
        next.end(framed(Buffer.alloc(90_000)));
        assert.equal((await outcome(next)).headers['grpc-status'], '0');
      }
    } finally {
      await scene.end();
    }
  });

  test(
    'a compressed message counts for what it may become',
    withScene({ limits: { requestBytesMax: MESSAGE_BYTES_MAX } }, async (scene) => {
      const stream = request(await scene.session(), UNARY, GZIP);
      stream.end(framed(gzipSync('small'), 1));
      const { headers } = await outcome(stream);
      assert.equal(headers['grpc-status'], '8');
      assert.match(String(headers['grpc-message']), /try again/);
    }),
  );
});
