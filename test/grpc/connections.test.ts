import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { type AddressInfo, connect as connectSocket } from 'node:net';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { status } from '@grpc/grpc-js';
import { RawPeer } from './raw-peer.ts';
import { selfSigned } from './self-signed.ts';
import {
  CHECK,
  ECHO,
  ECHOES,
  framed,
  MiB,
  method,
  outcome,
  request,
  Scene,
  UNARY,
  unary,
  whole,
  withScene,
} from './transport-scene.ts';

const hello = framed(Buffer.from('hello'));

/** The next message of an echo. */
async function echoed(stream: ClientHttp2Stream): Promise<Buffer> {
  stream.write(hello);
  const [piece] = (await once(stream, 'data')) as [Buffer];
  return piece;
}

function goaway(session: ClientHttp2Session): Promise<unknown> {
  return new Promise((resolve) => session.once('goaway', (code: number) => resolve(code)));
}

describe('a drain', () => {
  test(
    'lets a running call finish, takes no further one, and ends when it is done',
    withScene({}, async (scene) => {
      const session = await scene.session();
      const running = request(session, ECHO);
      assert.deepEqual(await echoed(running), hello);
      const told = goaway(session);
      const drained = scene.front.drain(10_000);
      assert.equal(await told, 0);
      assert.deepEqual(await echoed(running), hello);
      running.end();
      assert.equal((await outcome(running)).headers['grpc-status'], '0');
      await drained;
      assert.equal(scene.sockets.size, 0);
    }),
  );

  test(
    'destroys what is left after its grace',
    withScene({}, async (scene) => {
      const session = await scene.session();
      const running = request(session, ECHO);
      await echoed(running);
      const ended = outcome(running);
      await scene.front.drain(20);
      assert.equal((await ended).headers['grpc-status'], undefined, 'no clean end');
      assert.equal((await scene.event()).status, status.CANCELLED);
    }),
  );

  test(
    'sends away a connection that comes while it runs',
    withScene({}, async (scene) => {
      const session = await scene.session();
      const running = request(session, ECHO);
      await echoed(running);
      const drained = scene.front.drain(10_000);
      const late = await scene.session();
      await once(late, 'close');
      assert.deepEqual(await echoed(running), hello);
      running.end();
      await drained;
    }),
  );

  test(
    'does not wait for a client that has no calls and looks at its connections only while it has some',
    withScene({ limits: { goodbyeMs: 20, pingTimeoutMs: 600_000 } }, async (scene) => {
      const socket = connectSocket({ port: scene.port, host: '127.0.0.1', allowHalfOpen: true });
      await once(socket, 'connect');
      const peer = new RawPeer(socket).hello();
      await peer.settled();
      socket.pause();
      await scene.front.drain(600_000);
      assert.equal(scene.sockets.size, 0);
      socket.destroy();
    }),
  );

  test(
    'is one, however often it is asked for',
    withScene({}, async (scene) => {
      assert.equal(scene.front.drain(1), scene.front.drain(1));
      await scene.front.drain(1);
    }),
  );
});

test('no call fails when connections are renewed all the time', async () => {
  const limits = { connectionAgeMs: 40, connectionGraceMs: 10_000 };
  await withScene({ limits }, async (scene) => {
    const client = scene.client();
    const sockets = new Set<unknown>();
    for (let calls = 0; sockets.size < 6; calls++) {
      await unary(client, UNARY, Buffer.from(`${calls}`));
      for (const socket of scene.sockets) sockets.add(socket);
    }
  })();
});

test('a call may run on after the age of its connection, but not longer than the grace', async () => {
  await withScene({ limits: { connectionAgeMs: 10, connectionGraceMs: 500 } }, async (scene) => {
    const session = await scene.session();
    const told = goaway(session);
    const running = request(session, ECHO);
    await told;
    assert.deepEqual(await echoed(running), hello);
    const { headers } = await outcome(running);
    assert.equal(headers['grpc-status'], undefined, 'no clean end');
  })();
});

test('10,000 open calls on one front are served, and leave nothing', async () => {
  await withScene({ limits: { pingIntervalMs: 60_000 } }, async (scene) => {
    const sessions = await Promise.all(Array.from({ length: 100 }, () => scene.session()));
    const streams = sessions.flatMap((session) => Array.from({ length: 100 }, () => request(session, ECHO)));
    await Promise.all(
      streams.map(async (stream) => {
        assert.deepEqual(await echoed(stream), hello);
      }),
    );
    await scene.assertAlive();
    await Promise.all(
      streams.map(async (stream) => {
        stream.end();
        assert.equal((await outcome(stream)).headers['grpc-status'], '0');
      }),
    );
    const event = await scene.event(10_001);
    assert.equal(event.messagesIn, 1);
  })();
});

test('calls that are sent large responses at once neither reset each other nor end their connection', async () => {
  const writer = method(ECHO, 'bidi-stream', async (call) => {
    for (let i = 0; i < 2; i++) await call.write(Buffer.alloc(MiB, i));
  });
  await withScene({ methods: [writer] }, async (scene) => {
    const session = await scene.session();
    const streams = Array.from({ length: 100 }, () => request(session, ECHO));
    await Promise.all(streams.map((stream) => once(stream, 'response')));
    for (const stream of streams) {
      let bytes = 0;
      stream.on('data', (piece: Buffer) => {
        bytes += piece.length;
      });
      await new Promise((closed) => stream.once('close', closed));
      assert.equal(bytes, 2 * (MiB + 5));
      assert.equal(stream.rstCode, 0);
    }
  })();
});

test('a slab may be written to as soon as its write has settled, whatever became of the call', async () => {
  const slabs = [Buffer.alloc(MiB), Buffer.alloc(MiB)];
  const mixed: number[] = [];
  const writer = method(ECHO, 'bidi-stream', async (call) => {
    const prefix = framed(Buffer.alloc(MiB)).subarray(0, 5);
    for (let i = 0; ; i++) {
      const slab = slabs[i % 2] as Buffer;
      slab.fill(i % 256);
      await call.writeFramed([prefix, slab]);
    }
  });
  await withScene({ methods: [writer] }, async (scene) => {
    const session = await scene.session();
    for (let calls = 0; calls < 10; calls++) {
      const stream = request(session, ECHO);
      stream.on('error', () => {});
      let rest = Buffer.alloc(0);
      let messages = 0;
      stream.on('data', (piece: Buffer) => {
        rest = Buffer.concat([rest, piece]);
        for (; rest.length >= MiB + 5; rest = rest.subarray(MiB + 5)) {
          const first = rest[5];
          if (rest.subarray(5, MiB + 5).some((byte) => byte !== first)) mixed.push(messages);
          messages++;
          if (messages === 3) stream.close(8);
        }
      });
      await new Promise((closed) => stream.once('close', closed));
    }
    assert.deepEqual(mixed, []);
  })();
});

describe('over TLS', () => {
  const tls = selfSigned();

  async function start(): Promise<Scene> {
    return new Scene({ tls, limits: { helloMs: 500 } }).listen();
  }

  test('calls are served', async () => {
    const scene = await start();
    try {
      const session = connect(`https://localhost:${scene.port}`, { ca: tls.cert });
      const stream = request(session, UNARY);
      stream.end(hello);
      assert.deepEqual((await outcome(stream)).body, hello);
      session.close();
    } finally {
      await scene.end();
    }
  });

  test('a drain lets a running call finish', async () => {
    const scene = await start();
    const session = connect(`https://localhost:${scene.port}`, { ca: tls.cert });
    const stream = request(session, ECHO);
    assert.deepEqual(await echoed(stream), hello);
    const drained = scene.front.drain(10_000);
    scene.front.server.close();
    await goaway(session);
    stream.end();
    assert.equal((await outcome(stream)).headers['grpc-status'], '0');
    await drained;
  });

  test('who does not speak HTTP/2, does not finish the handshake, or sends nothing after it loses its socket', async () => {
    const scene = await start();
    try {
      const silent = await scene.tcp();
      const foreign = connectTls({ port: scene.port, host: '127.0.0.1', ca: tls.cert, servername: 'localhost' });
      const mute = connectTls({
        port: scene.port,
        host: '127.0.0.1',
        ca: tls.cert,
        servername: 'localhost',
        ALPNProtocols: ['h2'],
      });
      const sockets = [silent, foreign, mute];
      await Promise.all(
        sockets.map((socket) => {
          socket.on('error', () => {});
          return new Promise((closed) => socket.resume().once('close', closed));
        }),
      );
      const session = connect(`https://localhost:${scene.port}`, { ca: tls.cert });
      const stream = request(session, CHECK);
      stream.end(framed(Buffer.alloc(0)));
      assert.equal((await outcome(stream)).headers['grpc-status'], '0');
      session.close();
    } finally {
      await scene.end();
    }
  });
});

test('a front that does not listen serves the connections that it is given', async () => {
  const entrance = await new Scene({}).listen();
  const front = new Scene({ methods: ECHOES });
  // As the supervisor hands them over.
  entrance.front.server.removeAllListeners('connection');
  entrance.front.server.on('connection', (socket) => front.front.server.emit('connection', socket));
  const port = (entrance.front.server.address() as AddressInfo).port;
  const session = connect(`http://127.0.0.1:${port}`);
  const stream = request(session, UNARY);
  stream.end(hello);
  assert.deepEqual((await outcome(stream)).body, hello);
  const client = entrance.client();
  assert.equal(String(await unary(client, UNARY, whole(Buffer.from('again')))), 'again');
  await front.front.drain(1000);
  await entrance.end();
});
