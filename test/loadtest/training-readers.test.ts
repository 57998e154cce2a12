import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { makeDataSet } from '../../loadtest/suite/data-set.ts';
import { RequestWriter, SignedGets } from '../../loadtest/suite/request-writer.ts';
import { BatchConnection } from '../../loadtest/training/batch-reader.ts';
import { BatchStream } from '../../loadtest/training/batch-stream.ts';
import { GetReader } from '../../loadtest/training/get-reader.ts';
import { encodeHeaders } from '../../loadtest/training/http2-frames.ts';
import { newTally, type Tally } from '../../loadtest/training/outcome.ts';
import { BatchFrame, GetBatchRequest } from '../../src/format/messages.ts';

const DATA = makeDataSet({
  count: 50,
  sizes: { kind: 'list', bytes: [1, 300, 20_000] },
  bytesFrom: 'random',
  seed: 3,
  prefix: 'readers',
});
const CREDENTIALS = { accessKeyId: 'AKIAEXAMPLE', secretKey: 'secret', region: 'us-east-1' };
const NO_FAULTS = { broken: 0, refused: 0, short: 0, wrong: 0 };

function countsOf({ objects, broken, refused, short, wrong }: Tally) {
  return { objects, broken, refused, short, wrong };
}

interface Part {
  readonly slot: number;
  readonly bytes: Buffer;
  readonly hasFailed?: boolean;
}

/** One message of gRPC. */
function message(parts: readonly Part[], ok?: number): Buffer {
  const encoded = BatchFrame.encode({
    entries: parts.map(({ slot, bytes, hasFailed }) => ({
      slot,
      length: bytes.length,
      objectSize: bytes.length,
      etag: 'd41d8cd98f00b204e9800998ecf8427e',
      crc32: 1,
      ...(hasFailed === true ? { error: { code: 5, message: 'not found' } } : {}),
    })),
    ...(ok === undefined ? {} : { end: { ok, bytes: 1, serverTime: { seconds: 1, nanos: 5 } } }),
    payload: Buffer.concat(parts.map(({ bytes }) => bytes)),
  });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(encoded.length, 1);
  return Buffer.concat([prefix, encoded]);
}

const BATCH = Uint32Array.of(4, 2, 0, 9);

function partOf(slot: number): Part {
  return { slot, bytes: DATA.bodyOf(BATCH[slot] as number) };
}

/** Slot 1, of 20,000 bytes, in two messages. */
function goodAnswer(): Buffer {
  const large = partOf(1).bytes;
  const first = { slot: 1, bytes: large.subarray(0, 7000) };
  const second = { slot: 1, bytes: large.subarray(7000) };
  return Buffer.concat([message([partOf(3), first]), message([second, partOf(0), partOf(2)]), message([], 4)]);
}

/** Fed in pieces that end at `cuts`, each in memory that is written over afterwards, as that of a connection is. */
function read(answer: Buffer, cuts: readonly number[] = []): Tally {
  const tally = newTally();
  const stream = new BatchStream(BATCH, DATA, tally);
  let start = 0;
  for (const cut of [...[...cuts].sort((a, b) => a - b), answer.length]) {
    const piece = Buffer.concat([Buffer.alloc(3, 9), answer.subarray(start, cut), Buffer.alloc(2, 9)]);
    stream.take(piece, 3, piece.length - 2);
    piece.fill(255);
    start = cut;
  }
  stream.finish(undefined);
  return tally;
}

test('the answer to a batch is whole however it is cut into pieces', () => {
  const answer = goodAnswer();
  const cuts = fc.array(fc.oneof(fc.nat(answer.length - 1), fc.nat(200)), { maxLength: 12 });
  fc.assert(
    fc.property(cuts, (places) => {
      const tally = read(answer, places);
      assert.deepEqual(countsOf(tally), { objects: 4, ...NO_FAULTS });
      assert.equal(tally.bytes, 300 + 20_000 + 1 + 1);
    }),
    { numRuns: 300 },
  );
  const everyByte = Array.from({ length: 400 }, (_, i) => i);
  assert.equal(read(answer, everyByte).objects, 4);
});

test('a wrong byte, a failed slot, a slot that was left out and a missing end are told apart', () => {
  const damaged = Buffer.from(partOf(0).bytes);
  damaged[100] = (damaged[100] as number) ^ 1;
  const others = [partOf(1), partOf(2), partOf(3)];
  const wrong = read(Buffer.concat([message([{ slot: 0, bytes: damaged }, ...others]), message([], 4)]));
  assert.deepEqual(countsOf(wrong), { objects: 3, ...NO_FAULTS, wrong: 1 });
  const failed = { slot: 0, bytes: Buffer.alloc(0), hasFailed: true };
  const refused = read(Buffer.concat([message([failed, ...others]), message([], 3)]));
  assert.deepEqual(countsOf(refused), { objects: 3, ...NO_FAULTS, refused: 1 });
  assert.match(refused.firstError ?? '', /readers\/n0004\/image_00000004\.bin failed/);
  const short = read(Buffer.concat([message(others), message([], 3)]));
  assert.deepEqual(countsOf(short), { objects: 3, ...NO_FAULTS, short: 1 });
  const broken = read(message(others));
  assert.deepEqual(countsOf(broken), { objects: 3, ...NO_FAULTS, broken: 1 });
});

test('an answer that breaks the protocol is not taken for one', () => {
  const foreign = message([{ slot: 7, bytes: Buffer.alloc(1) }]);
  assert.throws(() => read(foreign), /slot 7, which was not asked for/);
  const twice = Buffer.concat([message([partOf(0)]), message([partOf(0)])]);
  assert.throws(() => read(twice), /slot 0 came twice/);
  const lying = BatchFrame.encode({ entries: [{ slot: 0, length: 9 }], payload: Buffer.alloc(4) });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(lying.length, 1);
  assert.throws(() => read(Buffer.concat([prefix, lying])), /entries of 9 bytes in a payload of 4/);
});

async function listening(t: TestContext, server: Server, sockets = new Set<Socket>()): Promise<number> {
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

type Answer = (stream: ServerHttp2Stream, request: GetBatchRequest) => void;

/** A server of node:http2 that hands whole requests to `answer`. */
async function batchServer(t: TestContext, answer: Answer): Promise<BatchConnection & { readonly tally: Tally }> {
  const server = createHttp2Server();
  server.on('stream', (stream) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => answer(stream, GetBatchRequest.decode(Buffer.concat(chunks).subarray(5))));
  });
  const port = await listening(t, server);
  const tally = newTally();
  const options = { address: `127.0.0.1:${port}`, bucket: 'bucket', credentials: CREDENTIALS, expected: DATA, tally };
  const connection = Object.assign(new BatchConnection(options), { tally });
  t.after(() => connection.close());
  return connection;
}

function wholeAnswer({ keys }: GetBatchRequest): Buffer {
  const positions = keys.map((key) => Number(/(\d+)\.bin$/.exec(key)?.[1]));
  const parts = positions.map((position, slot) => ({ slot, bytes: DATA.bodyOf(position) }));
  return Buffer.concat([...parts.map((part) => message([part])), message([], parts.length)]);
}

test('requests and answers larger than any window arrive, several at once', async (t) => {
  const hints: number[] = [];
  const connection = await batchServer(t, (stream, request) => {
    hints.push(request.nextKeys.length);
    stream.end(wholeAnswer(request));
  });
  const large = Uint32Array.from({ length: 4000 }, (_, i) => i % DATA.count);
  const batches = Array.from({ length: 4 }, () => connection.read(large, large));
  await Promise.all(batches);
  assert.deepEqual(countsOf(connection.tally), { objects: 16_000, ...NO_FAULTS });
  assert(connection.tally.bytes > 64 * 2 ** 20, 'more than the window of the connection');
  assert.deepEqual(hints, [4000, 4000, 4000, 4000]);
});

test('a stream that is reset and a connection that is lost break their batches, and the next batch gets a new connection', async (t) => {
  const faults: Answer[] = [
    (stream) => stream.close(2),
    (stream) => stream.session?.destroy(),
    (stream, request) => stream.end(wholeAnswer(request)),
  ];
  const connection = await batchServer(t, (stream, request) => (faults.shift() as Answer)(stream, request));
  for (let i = 0; i < 3; i += 1) await connection.read(BATCH, undefined);
  assert.deepEqual(countsOf(connection.tally), { objects: 4, ...NO_FAULTS, broken: 8 });
  assert.match(connection.tally.firstError ?? '', /reset the stream with code 2/);
});

test('a server that is going away serves what it has, and the next batch gets another connection', async (t) => {
  const sessions = new Set<unknown>();
  const connection = await batchServer(t, (stream, request) => {
    sessions.add(stream.session);
    stream.session?.goaway(0, stream.id ?? 0);
    stream.end(wholeAnswer(request));
  });
  for (let i = 0; i < 2; i += 1) await connection.read(BATCH, undefined);
  assert.deepEqual(countsOf(connection.tally), { objects: 8, ...NO_FAULTS });
  assert.equal(sessions.size, 2);
});

test('closing ends the batch that waits', async (t) => {
  const connection = await batchServer(t, () => connection.close());
  await connection.read(BATCH, undefined);
  assert.equal(connection.tally.broken, 4);
});

test('header fields are literals with lengths of any size', () => {
  const long = 'x'.repeat(300);
  const block = encodeHeaders([
    ['te', 'trailers'],
    ['a', long],
  ]);
  assert.equal(block.toString('latin1'), `\0\x02te\x08trailers\0\x01a\x7f\xad\x01${long}`);
});

/** A server that answers each request on a connection with the next of the list, in pieces. */
async function rawServer(
  t: TestContext,
  answers: (readonly Buffer[] | 'close')[],
): Promise<GetReader & { readonly tally: Tally }> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', () => void send(socket));
  });
  const send = async (socket: Socket): Promise<void> => {
    const answer = answers.shift();
    if (answer === undefined || answer === 'close') return void socket.end();
    for (const piece of answer) await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
    if (answer.length === 0 || (answer.at(-1) as Buffer).length === 0) socket.end();
  };
  const port = await listening(t, server);
  const endpoint = new URL(`http://127.0.0.1:${port}`);
  const gets = new SignedGets(new RequestWriter(endpoint.host, 'bucket', CREDENTIALS));
  const tally = newTally();
  const reader = Object.assign(new GetReader({ endpoint, gets, expected: DATA, tally }), { tally });
  t.after(() => reader.close());
  return reader;
}

function answerOf(position: number, status = '200 OK', more = ''): Buffer {
  const body = DATA.bodyOf(position);
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n${more}\r\n`), body]);
}

test('GETs are read from answers in pieces, one behind the other on one connection', async (t) => {
  const whole = answerOf(2);
  const pieces = [whole.subarray(0, 9), whole.subarray(9, 30), whole.subarray(30, 5000), whole.subarray(5000)];
  const reader = await rawServer(t, [pieces, [answerOf(0)], [answerOf(1)]]);
  await reader.read(Uint32Array.of(2, 0, 1));
  assert.deepEqual(countsOf(reader.tally), { objects: 3, ...NO_FAULTS });
});

test('a GET that is refused, wrong, short, cut off or not answered is told apart, and the next one is good', async (t) => {
  const wrong = answerOf(1);
  wrong[wrong.length - 1] = (wrong.at(-1) as number) ^ 1;
  const cutOff = answerOf(2).subarray(0, 9000);
  const reader = await rawServer(t, [
    [answerOf(1, '404 Not Found')],
    [wrong],
    [answerOf(0)],
    [cutOff, Buffer.alloc(0)],
    'close',
    [answerOf(1, '200 OK', 'Connection: close\r\n')],
    [answerOf(2)],
  ]);
  await reader.read(Uint32Array.of(1, 1, 2, 2, 2, 1, 2));
  assert.deepEqual(countsOf(reader.tally), { objects: 2, broken: 1, refused: 1, short: 2, wrong: 1 });
  assert.match(reader.tally.firstError ?? '', /image_00000001\.bin was answered with 404/);
});

test('a request is signed once for each object while its signature is young', () => {
  const gets = new SignedGets(new RequestWriter('127.0.0.1:9000', 'b', CREDENTIALS));
  const startMs = Date.UTC(2026, 0, 1);
  const first = gets.of('k', startMs);
  assert.match(first.toString('latin1'), /^GET \/b\/k HTTP\/1\.1\r\n(.+\r\n)*authorization: AWS4-HMAC-SHA256 /im);
  assert.equal(gets.of('k', startMs + 599_999), first);
  assert.notDeepEqual(gets.of('k', startMs + 600_001), first);
});
