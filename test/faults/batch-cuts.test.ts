/**
 * A thousand batches whose connections are cut, and whose workers are killed, at random points: nobody ever takes a part for the whole.
 * Watched at the wire, where a stream that ends with status OK must be complete, and through the client, whose every result is right.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PenstockClient, PenstockError } from '../../src/client/client.ts';
import { mintToken } from '../../src/format/bearer-token.ts';
import { GetBatchRequest } from '../../src/format/messages.ts';
import { framesOf, GET_BATCH, slotsOf } from '../grpc/batch-scene.ts';
import { framed, outcome, request } from '../grpc/transport-scene.ts';
import { type GatewayProcess, ROOT, startGateway } from '../processes/gateway-process.ts';
import { IS_LONG } from './fault-scene.ts';
import { S3Caller } from './s3-caller.ts';
import { bytesOf } from './version-bytes.ts';

const BATCHES = IS_LONG ? 10_000 : 1000;
const KILLS = IS_LONG ? 100 : 10;
const OBJECTS = 60;
const CREDENTIALS = { accessKeyId: ROOT.PENSTOCK_ACCESS_KEY, secretKey: ROOT.PENSTOCK_SECRET_KEY };
const BUCKET = 'images';
/** Sizes from 0 to 60 KB: a batch of twenty has about 600 KB, in one frame or many. */
const THINGS = new Map(Array.from({ length: OBJECTS }, (_, i) => [`k${i}`, bytesOf(i, (i * 7919) % 60_000)]));
const KEYS = [...THINGS.keys()];

/** Forwards connections, and cuts each after so many bytes of answers. */
class Cutter {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  cuts = 0;
  port = 0;

  constructor(target: number, bytesToCut: () => number) {
    this.#server = createServer((near) => {
      const far = connect(target, '127.0.0.1');
      let left = bytesToCut();
      const cut = () => {
        near.destroy();
        far.destroy();
      };
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', cut);
        socket.once('close', () => {
          this.#sockets.delete(socket);
          cut();
        });
      }
      near.on('data', (chunk: Buffer) => far.write(chunk));
      far.on('data', (chunk: Buffer) => {
        near.write(chunk.subarray(0, Math.max(0, left)));
        left -= chunk.length;
        if (left > 0) return;
        this.cuts++;
        near.destroySoon();
        far.destroy();
      });
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.port = (this.#server.address() as { port: number }).port;
    return this;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

function portOf(url: string): number {
  return Number(url.slice(url.lastIndexOf(':') + 1));
}

function someKeys(): string[] {
  return Array.from({ length: 20 }, () => KEYS[Math.floor(Math.random() * OBJECTS)] as string);
}

describe('batches that are cut', () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-cuts-'));
  let gateway: GatewayProcess;
  before(async () => {
    gateway = await startGateway(join(folder, 'store'), '--workers', '2');
    const client = new PenstockClient({ endpoint: new URL(gateway.grpc).host, ...CREDENTIALS, bucket: BUCKET });
    const s3 = new S3Caller(gateway.s3);
    assert.equal((await s3.send('PUT', BUCKET, '')).status, 200);
    s3.close();
    for await (const result of client.putBatch([...THINGS].map(([key, body]) => ({ key, body }))))
      assert.ok(result.ok, String(result.ok || result.error));
    client.close();
  });
  after(async () => {
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it(`at the wire: of ${BATCHES} batches those that end with OK are whole`, { timeout: 240_000 }, async () => {
    const cutter = await new Cutter(portOf(gateway.grpc), () => 100 + Math.random() * 2_000_000).listen();
    const authorization = `Bearer ${mintToken({ ...CREDENTIALS, expiresMs: Date.now() + 3_600_000 })}`;
    let whole = 0;
    let broken = 0;
    let session: ClientHttp2Session | undefined;
    for (let i = 0; i < BATCHES; i++) {
      if (session === undefined || session.destroyed || session.closed) {
        session = connectHttp2(`http://127.0.0.1:${cutter.port}`);
        session.on('error', () => {});
      }
      const keys = someKeys();
      const order = 1 + (i % 2);
      const maxFrameBytes = i % 3 === 0 ? 65_536 : 0;
      const stream = request(session, GET_BATCH, { authorization });
      stream.end(framed(GetBatchRequest.encode({ bucket: BUCKET, keys, order: order as 1, maxFrameBytes })));
      const { headers, body } = await outcome(stream);
      if (headers['grpc-status'] !== '0') {
        broken++;
        continue;
      }
      whole++;
      const frames = framesOf(body);
      const slots = slotsOf({ status: '0', message: '', rstCode: 0, frames, end: frames.at(-1)?.end }, keys.length);
      for (const [slot, { bytes }] of slots.entries())
        assert.ok(bytes.equals(THINGS.get(keys[slot] as string) as Buffer), `slot ${slot} of batch ${i}`);
    }
    session?.destroy();
    cutter.close();
    assert.ok(whole > BATCHES / 10 && broken > BATCHES / 10, `${whole} whole, ${broken} broken`);
  });

  it('through the client: every result is right, whatever is cut', { timeout: 240_000 }, async () => {
    const cutter = await new Cutter(portOf(gateway.grpc), () => 100 + Math.random() * 2_000_000).listen();
    const client = new PenstockClient({ endpoint: `127.0.0.1:${cutter.port}`, ...CREDENTIALS, bucket: BUCKET });
    let failed = 0;
    const batches = BATCHES / 20; // a client that was cut off waits a second before it connects again
    for (let i = 0; i < batches; i++) failed += await isRight(client);
    client.close();
    cutter.close();
    assert.ok(cutter.cuts > batches / 10, `${cutter.cuts} cuts`);
    assert.ok(failed < batches / 10, `${failed} batches failed in spite of retries`);
  });

  it(`through the client: ${KILLS} killed workers are never noticed as missing bytes`, {
    timeout: 240_000,
  }, async () => {
    const clients = [1, 2, 3].map(
      () => new PenstockClient({ endpoint: new URL(gateway.grpc).host, ...CREDENTIALS, bucket: BUCKET }),
    );
    let isOver = false;
    let batches = 0;
    let failed = 0;
    const reading = clients.map(async (client) => {
      while (!isOver) {
        failed += await isRight(client);
        batches++;
      }
    });
    for (let kill = 0; kill < KILLS; kill++) {
      const { workers } = await gateway.status();
      const victim = workers[kill % workers.length];
      const before = batches;
      while (batches < before + 5) await new Promise((resolve) => setTimeout(resolve, 5));
      if (victim?.pid !== undefined) process.kill(victim.pid, 'SIGKILL');
      await gateway.untilLogged(/started again|restart|ready/);
    }
    isOver = true;
    await Promise.all(reading);
    for (const client of clients) client.close();
    assert.ok(batches > KILLS * 5);
    assert.ok(failed <= batches / 10, `${failed} of ${batches} batches failed in spite of retries`);
  });
});

/** Reads a batch; 1 when it failed as a whole with an error that may be retried. Wrong bytes fail the test. */
async function isRight(client: PenstockClient): Promise<number> {
  const keys = [...someKeys(), 'absent'];
  try {
    const found = await client.getMany(keys, { deadlineMs: 20_000 });
    for (const [i, each] of found.entries()) {
      const expected = THINGS.get(keys[i] as string);
      if (expected === undefined) assert.ok(!Buffer.isBuffer(each));
      else assert.ok(Buffer.isBuffer(each) && each.equals(expected), `slot ${i}`);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof PenstockError)) throw error;
    assert.ok(error.retryable, error.message);
    return 1;
  }
}
