/** Peers that stall, flood, or speak nonsense: each loses its calls or its socket, and the front serves the next one. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { GrpcFrontLimits } from '../../src/fronts/grpc/front.ts';
import {
  ACK,
  callBlock,
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  headerBlock,
  RawPeer,
  setting,
  uint32,
} from './raw-peer.ts';
import {
  CHECK,
  ECHO,
  ECHOES,
  framed,
  MiB,
  method,
  request,
  type Scene,
  signalled,
  UNARY,
  WATCH,
  whole,
  withScene,
} from './transport-scene.ts';

/** Times that a test can wait for. */
const QUICK: Partial<GrpcFrontLimits> = { pingIntervalMs: 200, pingTimeoutMs: 150, goodbyeMs: 20 };
/** The same where the client must have time to answer, on a busy machine too. */
const PATIENT: Partial<GrpcFrontLimits> = { pingIntervalMs: 1000, pingTimeoutMs: 900 };
const hello = framed(Buffer.from('hello'));
const INITIAL_WINDOW = 4;

async function raw(scene: Scene): Promise<RawPeer> {
  return new RawPeer(await scene.tcp());
}

/** Every socket that the front has now is closed. (`once` of node:events would reject at an error before it.) */
async function socketsClosed(scene: Scene): Promise<void> {
  await Promise.all([...scene.sockets].map((socket) => new Promise((closed) => socket.once('close', closed))));
}

describe('a peer that stalls', () => {
  for (const [name, bytes] of [
    ['says nothing', ''],
    ['speaks HTTP/1', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['stops in the preface', 'PRI * HTTP/2.0\r\n\r\n'],
  ] as const) {
    test(
      `and ${name} is cut off`,
      withScene({ limits: { helloMs: 250 } }, async (scene) => {
        const socket = await scene.tcp();
        socket.resume().write(bytes);
        await once(socket, 'close');
        await socketsClosed(scene);
        await scene.assertAlive();
      }),
    );
  }

  test('and does not answer pings is cut off, and its calls are over', async () => {
    await withScene({ limits: QUICK }, async (scene) => {
      const peer = await raw(scene);
      peer.hello().open(1, ECHO);
      await peer.closed;
      assert(peer.heard.some(({ type, flags }) => type === FRAME.ping && flags === 0));
      assert.equal((await scene.event()).status, 1);
      await scene.assertAlive();
    })();
  });

  test('but answers pings may keep a call for ever', async () => {
    await withScene({ limits: PATIENT }, async (scene) => {
      const stream = scene.client().makeServerStreamRequest(WATCH, whole, whole, Buffer.alloc(0));
      stream.on('error', () => {});
      await once(stream, 'data');
      const session = await scene.session();
      for (let pings = 0; pings < 2; pings++) await once(session, 'ping');
      assert.deepEqual(scene.events, []);
    })();
  });

  test('and does not read from its socket costs what its handlers hold, and is cut off', async () => {
    const bytes = 4 * MiB;
    let written = 0;
    const over = signalled();
    const writer = method(ECHO, 'bidi-stream', async (call) => {
      try {
        for (;;) {
          await call.write(Buffer.alloc(bytes));
          written += bytes;
        }
      } finally {
        over.tell();
      }
    });
    await withScene(
      { methods: [writer], limits: { ...QUICK, pingIntervalMs: 300, pingTimeoutMs: 200 } },
      async (scene) => {
        const peer = await raw(scene);
        peer.socket.pause();
        // It would take everything, says its windows, but it does not read.
        peer.hello(setting(INITIAL_WINDOW, 2 ** 31 - 1)).say(frame(FRAME.windowUpdate, 0, 0, uint32(2 ** 31 - 65_536)));
        peer.open(1, ECHO);
        await Promise.all([over.promise, scene.event()]);
        assert.equal(scene.sockets.size, 0, 'the socket is freed');
        assert(written < 32 * MiB, `${written} bytes were taken from the handler`);
        await scene.assertAlive();
      },
    )();
  });

  test('and does not open its window holds one write of its handler, until the call is reset', async () => {
    let writes = 0;
    const writer = method(ECHO, 'bidi-stream', async (call) => {
      for (;;) {
        await call.write(Buffer.alloc(MiB));
        writes++;
      }
    });
    await withScene(
      { methods: [writer, ...ECHOES.slice(0, 3)], limits: { pingIntervalMs: 50, stalledMs: 150 } },
      async (scene) => {
        const session = await scene.session();
        const stream = request(session, ECHO);
        stream.on('error', () => {});
        stream.pause();
        await new Promise((closed) => stream.once('close', closed));
        assert.equal(stream.rstCode, 11);
        assert.equal(writes, 0);
        assert.equal((await scene.event()).status, 8);
        assert.equal(session.closed, false, 'only the call is reset');
      },
    )();
  });

  test('but reads in the end gets everything', async () => {
    const writer = method(ECHO, 'bidi-stream', async (call) => {
      for (let i = 0; i < 8; i++) await call.write(Buffer.alloc(MiB, i));
    });
    await withScene({ methods: [writer], limits: { ...PATIENT, stalledMs: 60_000 } }, async (scene) => {
      const session = await scene.session();
      const stream = request(session, ECHO);
      await once(stream, 'response');
      for (let pings = 0; pings < 2; pings++) await once(session, 'ping');
      let bytes = 0;
      stream.on('data', (piece: Buffer) => {
        bytes += piece.length;
      });
      await once(stream, 'close');
      assert.equal(bytes, 8 * (MiB + 5));
    })();
  });
});

describe('a handler that does not read', () => {
  test('stops its client at the window, and goes on where it stopped', async () => {
    const begun = signalled();
    const goOn = signalled();
    let taken = 0;
    const slow = method(ECHO, 'bidi-stream', async (call) => {
      for await (const message of call.messages()) {
        taken += message.length;
        begun.tell();
        await goOn.promise;
      }
    });
    await withScene({ methods: [slow], limits: { streamWindowBytes: 256 * 1024 } }, async (scene) => {
      const stream = request(await scene.session(), ECHO);
      stream.on('error', () => {}).resume();
      const message = framed(Buffer.alloc(60_000));
      let sent = 0;
      for (let i = 0; i < 50; i++) stream.write(message, () => sent++);
      await begun.promise;
      for (let turns = 0; turns < 200; turns++) await new Promise((resolve) => setImmediate(resolve));
      assert(sent <= 6, `${sent} messages of 60 KB left the client for a window of 256 KiB`);
      goOn.tell();
      stream.end();
      await once(stream, 'close');
      assert.equal(taken, 50 * 60_000);
    })();
  });
});

describe('a flood', () => {
  test('of resets ends with the connection', async () => {
    await withScene({}, async (scene) => {
      const peer = await raw(scene);
      peer.hello();
      for (let i = 0; i < 3000 && !peer.socket.destroyed; i++) {
        const stream = 2 * i + 1;
        peer.say(
          frame(FRAME.headers, END_HEADERS | END_STREAM, stream, callBlock(ECHO)),
          frame(FRAME.reset, 0, stream, uint32(8)),
        );
        if (i % 100 === 0) await peer.drained();
      }
      const goaway = await peer.hears(({ type }) => type === FRAME.goaway);
      assert(goaway !== undefined || peer.socket.destroyed);
      await scene.assertAlive();
    })();
  });

  test('of pings ends with GOAWAY too_many_pings and the connection', async () => {
    await withScene({ limits: { pingsMax: 20, goodbyeMs: 20 } }, async (scene) => {
      const peer = await raw(scene);
      peer.hello();
      for (let i = 0; i <= 20; i++) await peer.settled();
      const goaway = await peer.hears(({ type }) => type === FRAME.goaway);
      assert.deepEqual(goaway?.payload.subarray(4, 8), uint32(11));
      assert.equal(String(goaway?.payload.subarray(8)), 'too_many_pings');
      await peer.closed;
      await scene.assertAlive();
    })();
  });

  test('of pings is none while the client gets messages, whose rate it measures', async () => {
    const writer = method(ECHO, 'bidi-stream', async (call) => {
      for await (const message of call.messages()) await call.write(message);
    });
    await withScene({ methods: [writer], limits: { pingsMax: 20, goodbyeMs: 20 } }, async (scene) => {
      const peer = await raw(scene);
      peer.hello().open(1, ECHO);
      for (let i = 0; i < 60; i++) {
        peer.say(frame(FRAME.data, 0, 1, hello));
        await peer.hears(
          ({ type }) => type === FRAME.data && peer.heard.filter((heard) => heard.type === FRAME.data).length > i,
        );
        await peer.settled();
      }
      assert.equal(peer.socket.destroyed, false);
      assert.equal(
        peer.heard.some(({ type }) => type === FRAME.goaway),
        false,
      );
    })();
  });

  test('of pings in one breath, of settings, of empty DATA, or of header pieces leaves the front alive', async () => {
    const ping = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
    const settings = frame(FRAME.settings, 0, 0, setting(INITIAL_WINDOW, 65_535));
    const empty = frame(FRAME.data, 0, 1);
    const piece = frame(FRAME.continuation, 0, 1, headerBlock({ 'x-a': 'b'.repeat(1000) }));
    await withScene({ limits: QUICK }, async (scene) => {
      for (const [first, flood] of [
        [Buffer.alloc(0), ping],
        [Buffer.alloc(0), settings],
        [frame(FRAME.headers, END_HEADERS, 1, callBlock(ECHO)), empty],
        [frame(FRAME.headers, 0, 1, callBlock(ECHO)), piece],
      ] as const) {
        const peer = await raw(scene);
        peer.hello().say(first);
        for (let i = 0; i < 20 && !peer.socket.destroyed; i++) {
          peer.say(...Array.from({ length: 500 }, () => flood));
          await peer.drained();
        }
        await peer.closed; // at the latest because it does not answer our ping
      }
      await scene.assertAlive();
    })();
  });

  test('of headers is refused call by call', async () => {
    await withScene({}, async (scene) => {
      const peer = await raw(scene);
      peer.hello();
      const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-${i}`, 'v']));
      peer.open(1, ECHO, many);
      const reset = await peer.hears(({ type, stream }) => type === FRAME.reset && stream === 1);
      assert(reset !== undefined);
      const large = await raw(scene);
      large.hello().open(1, ECHO, { 'x-large': 'v'.repeat(16_000), 'x-larger': 'v'.repeat(300) });
      await large.hears(({ type, stream }) => type === FRAME.goaway || (type === FRAME.reset && stream === 1));
      await scene.assertAlive();
    })();
  });

  test('of calls beyond the limit of a connection leaves the front alive', async () => {
    await withScene({ limits: { ...QUICK, streamsMax: 10 } }, async (scene) => {
      const peer = await raw(scene);
      peer.hello();
      for (let i = 0; i < 30; i++) peer.open(2 * i + 1, ECHO);
      await peer.closed;
      await scene.assertAlive();
    })();
  });
});

describe('nonsense', () => {
  test('after a good beginning never keeps a socket', async () => {
    const errors = [
      frame(FRAME.data, 0, 7, hello), // on a stream that is not open
      frame(FRAME.headers, END_HEADERS, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff])), // no HPACK
      frame(FRAME.headers, END_HEADERS, 2, callBlock(ECHO)), // an even stream
      frame(FRAME.data, 0, 1, Buffer.alloc(20_000)), // larger than any frame may be
      frame(FRAME.windowUpdate, 0, 0, uint32(0)),
      frame(FRAME.windowUpdate, 0, 0, uint32(2 ** 31 - 1)),
      frame(FRAME.settings, 0, 0, Buffer.alloc(5)),
      frame(FRAME.settings, ACK, 0, Buffer.alloc(6)),
      frame(FRAME.ping, 0, 0, Buffer.alloc(7)),
      frame(FRAME.continuation, END_HEADERS, 1, Buffer.alloc(3)),
      frame(FRAME.reset, 0, 99, uint32(0)),
    ];
    await withScene({ limits: QUICK }, async (scene) => {
      for (const error of errors) {
        const peer = await raw(scene);
        peer.hello().say(error);
      }
      await socketsClosed(scene);
      await scene.assertAlive();
    })();
  });

  test('of any frames leaves the front alive and its sockets free', async () => {
    const anyFrame = fc
      .tuple(
        fc.integer({ min: 0, max: 11 }),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: 5 }),
        fc.uint8Array({ maxLength: 60 }),
      )
      .map(([type, flags, stream, payload]) => frame(type, flags, stream, Buffer.from(payload)));
    const call = fc.constantFrom(
      frame(FRAME.headers, END_HEADERS, 1, callBlock(UNARY)),
      frame(FRAME.headers, END_HEADERS, 3, callBlock(ECHO)),
      frame(FRAME.data, 0, 1, hello),
      frame(FRAME.data, END_STREAM, 1, hello),
      frame(FRAME.data, END_STREAM, 3, hello.subarray(0, 4)),
      frame(FRAME.reset, 0, 1, uint32(8)),
    );
    const bytes = fc.uint8Array({ maxLength: 30 }).map((some) => Buffer.from(some));
    await withScene({ limits: QUICK }, async (scene) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.oneof({ weight: 5, arbitrary: call }, { weight: 4, arbitrary: anyFrame }, bytes)),
          async (said) => {
            const peer = await raw(scene);
            peer.hello().say(...said);
            peer.socket.end();
          },
        ),
        { numRuns: 300 },
      );
      await socketsClosed(scene);
      assert.deepEqual(scene.logged, []);
      await scene.assertAlive();
    })();
  });

  test('of random bytes leaves the front alive', async () => {
    await withScene({ limits: { ...QUICK, helloMs: 250 } }, async (scene) => {
      for (let i = 0; i < 50; i++) {
        const peer = await raw(scene);
        if (i % 2 === 0) peer.hello();
        peer.say(randomBytes(1 + i * 20));
      }
      await socketsClosed(scene);
      await scene.assertAlive();
    })();
  });

  test('of connections that end at once leaves no socket', async () => {
    await withScene({ limits: QUICK }, async (scene) => {
      for (let i = 0; i < 100; i++) {
        const peer = await raw(scene);
        peer.hello();
        if (i % 2 === 0) peer.open(1, CHECK);
        peer.socket.resetAndDestroy();
      }
      while (scene.sockets.size > 0) await socketsClosed(scene);
      await scene.assertAlive();
    })();
  });
});
