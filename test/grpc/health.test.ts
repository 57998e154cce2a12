import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { connect as connectTcp } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { silentLog } from '../../src/base/log.ts';
import { parseTimeout } from '../../src/fronts/grpc/deadline.ts';
import type { GrpcFront } from '../../src/fronts/grpc/front.ts';
import { createGrpcFront } from '../../src/fronts/grpc/server.ts';
import { encodeStatusMessage } from '../../src/fronts/grpc/status.ts';

const CHECK = '/grpc.health.v1.Health/Check';
const WATCH = '/grpc.health.v1.Health/Watch';
const ending: (() => void)[] = [];
afterEach(() => {
  for (const end of ending.splice(0)) end();
});

async function start(): Promise<{ front: GrpcFront; port: number }> {
  const front = createGrpcFront({ methods: [], log: silentLog });
  front.server.listen(0, '127.0.0.1');
  await once(front.server, 'listening');
  ending.push(() => {
    void front.drain(0);
    front.server.close();
  });
  return { front, port: (front.server.address() as AddressInfo).port };
}

function grpcClient(port: number): Client {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  ending.push(() => client.close());
  return client;
}

/** A HealthCheckRequest for a short name. */
function request(service: string): Buffer {
  return service === '' ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, service.length]), Buffer.from(service)]);
}

const whole = (message: Buffer) => message;

function unary(client: Client, path: string, message: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, whole, whole, message, (error: ServiceError | null, response?: Buffer) =>
      error === null && response !== undefined ? resolve(response) : reject(error),
    );
  });
}

async function session(port: number): Promise<ClientHttp2Session> {
  const client = connect(`http://127.0.0.1:${port}`);
  client.on('error', () => {});
  ending.push(() => client.destroy());
  await once(client, 'connect');
  return client;
}

function call(client: ClientHttp2Session, path: string, more: IncomingHttpHeaders = {}): ClientHttp2Stream {
  return client.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  });
}

/** The final status of a call, from headers or trailers. */
async function outcome(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  let last: IncomingHttpHeaders = {};
  stream.on('response', (headers) => {
    last = headers;
  });
  stream.on('trailers', (headers) => {
    last = headers;
  });
  stream.on('error', () => {});
  stream.resume();
  await new Promise((closed) => stream.once('close', closed)); // `once` of node:events would reject at an error before it
  return last;
}

function framed(message: Buffer, flag = 0): Buffer {
  const prefix = Buffer.from([flag, 0, 0, 0, 0]);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

describe('gRPC health with a real client', () => {
  test('the gateway and the service itself are serving', async () => {
    const client = grpcClient((await start()).port);
    for (const service of ['', 'grpc.health.v1.Health']) {
      assert.deepEqual(await unary(client, CHECK, request(service)), Buffer.from([0x08, 1]));
    }
  });

  test('another service is not found, another method not implemented, by name', async () => {
    const client = grpcClient((await start()).port);
    await assert.rejects(unary(client, CHECK, request('other')), {
      code: status.NOT_FOUND,
      details: 'Penstock has no service "other".',
    });
    await assert.rejects(unary(client, '/a.B/C%0A', request('')), {
      code: status.UNIMPLEMENTED,
      details: 'Penstock has no method /a.B/C%0A',
    });
  });

  test('a watch hears the present status, and of the drain, and ends as unavailable', async () => {
    const { front, port } = await start();
    const stream = grpcClient(port).makeServerStreamRequest(WATCH, whole, whole, request(''));
    const heard: Buffer[] = [];
    const failed = new Promise<ServiceError>((resolve) => stream.on('error', resolve));
    stream.on('data', (message: Buffer) => heard.push(message));
    await once(stream, 'data');
    await front.drain(5000);
    assert.equal((await failed).code, status.UNAVAILABLE);
    assert.deepEqual(heard, [Buffer.from([0x08, 1]), Buffer.from([0x08, 2])]);
  });

  test('a watch of an unknown service says so and stays', async () => {
    const stream = grpcClient((await start()).port).makeServerStreamRequest(WATCH, whole, whole, request('other'));
    stream.on('error', () => {});
    const [message] = (await once(stream, 'data')) as [Buffer];
    assert.deepEqual(message, Buffer.from([0x08, 3]));
    stream.cancel();
  });

  test('a deadline ends a watch', async () => {
    const options = { deadline: Date.now() + 50 };
    const stream = grpcClient((await start()).port).makeServerStreamRequest(WATCH, whole, whole, request(''), options);
    stream.resume();
    const [error] = (await once(stream, 'error')) as [ServiceError];
    assert.equal(error.code, status.DEADLINE_EXCEEDED);
  });
});

describe('gRPC health on the wire', () => {
  const cases: readonly [string, IncomingHttpHeaders, Buffer, string][] = [
    ['a message that is cut', {}, framed(request('grpc')).subarray(0, 8), '13'],
    ['a message that is longer than it says', {}, Buffer.concat([framed(request('')), Buffer.from('x')]), '13'],
    ['no message', {}, Buffer.alloc(0), '12'],
    ['no HealthCheckRequest', {}, framed(Buffer.from([0x0a, 0x7f])), '3'],
    ['a message that lies about compression', {}, framed(request(''), 1), '13'],
    ['a message that is too large', {}, framed(Buffer.alloc(5000)), '8'],
    ['a malformed deadline', { 'grpc-timeout': '1 hour' }, framed(request('')), '13'],
    ['a request with fields that are not known', {}, framed(Buffer.from([0x10, 0x05])), '0'],
  ];
  for (const [name, headers, body, expected] of cases) {
    test(`${name} ends with status ${expected}, and the session lives on`, async () => {
      const client = await session((await start()).port);
      const stream = call(client, CHECK, headers);
      stream.end(body);
      assert.equal((await outcome(stream))['grpc-status'], expected);
      const next = call(client, CHECK);
      next.end(framed(request('')));
      assert.equal((await outcome(next))['grpc-status'], '0');
    });
  }

  test('the server ends a call at its deadline by itself', async () => {
    const client = await session((await start()).port);
    const stream = call(client, WATCH, { 'grpc-timeout': '20m' });
    stream.end(framed(request('')));
    assert.equal((await outcome(stream))['grpc-status'], '4');
  });

  test('what is no gRPC is answered with 415', async () => {
    const client = await session((await start()).port);
    const stream = client.request({ ':path': CHECK });
    assert.equal((await outcome(stream))[':status'], 415);
  });

  test('a client that resets its call does not end the front', async () => {
    const client = await session((await start()).port);
    const stream = call(client, WATCH);
    stream.end(framed(request('')));
    await once(stream, 'response');
    const ended = outcome(stream);
    stream.close(2);
    await ended;
    const next = call(client, CHECK);
    next.end(framed(request('')));
    assert.equal((await outcome(next))['grpc-status'], '0');
  });

  test('a drain destroys a connection that never spoke', async () => {
    const { front, port } = await start();
    const accepted = once(front.server, 'connection');
    const socket = connectTcp(port, '127.0.0.1');
    await accepted;
    const closed = once(socket, 'close');
    socket.resume();
    await front.drain(1);
    await closed;
  });
});

test('status messages are printable ASCII whatever they say', () => {
  assert.equal(encodeStatusMessage('a\nb % ü\u0000~'), 'a%0Ab %25 %C3%BC%00~');
});

test('deadlines are read in every unit, and bounded by what a timer can hold', () => {
  const parsed = ['1H', '2M', '3S', '4m', '5000u', '6000000n', '99999999H'].map(parseTimeout);
  assert.deepEqual(parsed, [3_600_000, 120_000, 3000, 4, 5, 6, 2 ** 31 - 1]);
  for (const text of ['', '1', '1s', '-1S', '123456789S', '1.5S']) assert.equal(parseTimeout(text), undefined);
});
