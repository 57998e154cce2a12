import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type Client, type ClientDuplexStream, Metadata, type ServiceError } from '@grpc/grpc-js';
import { crc32 } from '@node-rs/crc32';
import { parseBucketName, parseObjectKey } from '../../src/base/names.ts';
import { ObjectInfo, PutChunk, PutFrame, PutResult, Status } from '../../src/format/messages.ts';
import { objectsMethods } from '../../src/fronts/grpc/objects.ts';
import { putBatchMethod } from '../../src/fronts/grpc/put-batch.ts';
import { bytesOf, KiB, MiB, noise, sameBytes } from '../contract/scene.ts';
import { MAIN } from '../s3/users.ts';
import { openEmbedded, temporaryFolder } from '../store/local-scene.ts';
import { openPlane, type Plane, reasonOf, tokenOf } from './services-scene.ts';
import { Scene, whole } from './transport-scene.ts';

const BUCKET = parseBucketName('images');
const PUT_BATCH = '/penstock.v1.Batches/PutBatch';
const PUT = '/penstock.v1.Objects/Put';
const SIZE = 16 * KiB;
const PER_FRAME = 8;

interface Wire {
  readonly plane: Plane;
  readonly scene: Scene;
  readonly client: Client;
  end(): Promise<void>;
}

async function openWire(root: string): Promise<Wire> {
  const open = await openEmbedded(root);
  const plane = await openPlane(open.store);
  if (open.store.buckets.get(BUCKET) === undefined)
    await plane.storage.buckets.create(BUCKET, MAIN.ownerId, { acl: 'private' });
  const scene = await new Scene({ methods: [...objectsMethods(plane), putBatchMethod(plane)] }).listen();
  const client = scene.client();
  return {
    plane,
    scene,
    client,
    end: async () => {
      await scene.end();
      await open.close();
    },
  };
}

function metadata(): Metadata {
  const result = new Metadata();
  result.set('authorization', tokenOf(MAIN));
  return result;
}

function putBatch(client: Client): ClientDuplexStream<Buffer, Buffer> {
  return client.makeBidiStreamRequest(PUT_BATCH, whole, whole, metadata());
}

const bodyOf = (slot: number) => noise(SIZE, slot + 1);

function frameFrom(first: number): Buffer {
  const bodies = Array.from({ length: PER_FRAME }, (_, i) => bodyOf(first + i));
  const entries = bodies.map((bytes, i) => ({
    slot: first + i,
    length: SIZE,
    crc32: crc32(bytes),
    header: { bucket: BUCKET, key: `k${first + i}`, size: SIZE },
  }));
  return PutFrame.encode({ entries, payload: Buffer.concat(bodies) });
}

test('objects that a grpc-js client sends in frames are acknowledged, stored, and counted', async () => {
  const folder = temporaryFolder();
  const wire = await openWire(folder.path);
  const call = putBatch(wire.client);
  const results: PutResult[] = [];
  call.on('data', (message: Buffer) => results.push(PutResult.decode(message)));
  for (let slot = 0; slot < 400; slot += PER_FRAME) call.write(frameFrom(slot));
  call.end();
  await once(call, 'end');
  assert.deepEqual(
    results.map(({ slot }) => slot).sort((a, b) => a - b),
    Array.from({ length: 400 }, (_, i) => i),
  );
  assert(results.every(({ error, info }) => error === undefined && info?.size === SIZE));
  const event = await wire.scene.event();
  assert.equal(event.messagesIn, 50);
  assert.equal(event.messagesOut, 400);
  assert.equal(event.accessKeyId, MAIN.accessKeyId);
  await wire.end();
  folder.remove();
});

test('the memory of frames is used again only when nobody needs what was in it', async () => {
  const folder = temporaryFolder();
  const wire = await openWire(folder.path);
  const bodies: Buffer[] = [];
  const one = (bytes: Buffer): Buffer[] => {
    const slot = bodies.push(bytes) - 1;
    const header = { bucket: BUCKET, key: `k${slot}`, size: bytes.length };
    const pieces = Math.max(1, Math.ceil(bytes.length / (900 * KiB)));
    return Array.from({ length: pieces }, (_, i) => {
      const payload = bytes.subarray(i * 900 * KiB, (i + 1) * 900 * KiB);
      const entry = { slot, length: payload.length, crc32: crc32(payload), header: i === 0 ? header : undefined };
      return PutFrame.encode({ entries: [entry], payload });
    });
  };
  const call = putBatch(wire.client);
  const settled: PutResult[] = [];
  call.on('data', (message: Buffer) => settled.push(PutResult.decode(message)));
  for (let wave = 0; wave < 6; wave++) {
    const sizes = [700 * KiB, 6 * MiB, 650 * KiB, 300 * KiB, 3 * MiB];
    for (const size of sizes) for (const frame of one(noise(size, bodies.length + 1))) call.write(frame);
    while (settled.length < bodies.length) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  call.end();
  assert.deepEqual(
    settled.filter(({ error }) => error !== undefined),
    [],
  );
  for (const [slot, bytes] of bodies.entries()) {
    const read = await wire.plane.storage.objects.get(BUCKET, parseObjectKey(`k${slot}`), {});
    sameBytes(await bytesOf(read), bytes);
  }
  await wire.end();
  folder.remove();
});

test('wherever a connection breaks, what was acknowledged is stored, and nothing is there in part', async () => {
  const folder = temporaryFolder();
  for (let round = 0; round < 5; round++) {
    const wire = await openWire(folder.path);
    const call = putBatch(wire.client);
    call.on('error', () => {});
    const acknowledged: number[] = [];
    const broken = new Promise<void>((resolve) => {
      call.on('data', (message: Buffer) => {
        acknowledged.push(PutResult.decode(message).slot);
        if (acknowledged.length <= 3 + 20 * round) return;
        for (const socket of wire.scene.sockets) socket.destroy();
        resolve();
      });
    });
    for (let slot = 0; slot < 400; slot += PER_FRAME) call.write(frameFrom(1000 * round + slot));
    await broken;
    await wire.end();
    const again = await openEmbedded(folder.path);
    for (let slot = 0; slot < 400; slot++) {
      const read = await again.store.objects.get(BUCKET, parseObjectKey(`k${1000 * round + slot}`), {});
      if (read !== undefined) sameBytes(await bytesOf(read), bodyOf(1000 * round + slot));
      else assert(!acknowledged.includes(1000 * round + slot), `slot ${slot} was acknowledged and is not there`);
    }
    await again.close();
  }
  folder.remove();
});

test('a malformed frame ends the call with a status that names its cause, after the results before it', async () => {
  const folder = temporaryFolder();
  const wire = await openWire(folder.path);
  const call = putBatch(wire.client);
  const slots: number[] = [];
  call.on('data', (message: Buffer) => slots.push(PutResult.decode(message).slot));
  call.write(frameFrom(0));
  call.write(PutFrame.encode({ entries: [], payload: noise(1) }));
  const [error] = (await once(call, 'error')) as [ServiceError];
  assert.equal(error.code, 3);
  assert.match(error.details, /malformed/);
  const details = error.metadata.get('grpc-status-details-bin')[0] as Buffer;
  assert.equal(reasonOf(Status.decode(details)), 'InvalidArgument');
  assert.deepEqual(slots.sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  await wire.end();
  folder.remove();
});

test('a large object is put in chunks, unless the client goes away in the middle', async () => {
  const folder = temporaryFolder();
  const wire = await openWire(folder.path);
  const bytes = noise(9 * MiB);
  const messages = Array.from({ length: 9 }, (_, i) =>
    PutChunk.encode({
      header: i > 0 ? undefined : { bucket: BUCKET, key: 'large', size: bytes.length },
      data: bytes.subarray(i * MiB, (i + 1) * MiB),
      crc32: i < 8 ? undefined : crc32(bytes),
    }),
  );
  const cancelled = wire.client.makeClientStreamRequest(PUT, whole, whole, metadata(), () => {});
  for (const message of messages.slice(0, 6)) cancelled.write(message);
  await new Promise<void>((resolve) => {
    cancelled.write(messages[6] as Buffer, () => resolve());
  });
  cancelled.cancel();
  assert.equal((await wire.scene.event()).status, 1);
  assert.equal(await wire.plane.storage.objects.head(BUCKET, parseObjectKey('large')), undefined);
  const info = await new Promise<Buffer>((resolve, reject) => {
    const call = wire.client.makeClientStreamRequest(PUT, whole, whole, metadata(), (error, response?: Buffer) =>
      error === null && response !== undefined ? resolve(response) : reject(error),
    );
    for (const message of messages) call.write(message);
    call.end();
  });
  assert.equal(ObjectInfo.decode(info).etag, wire.plane.hashes.etagOf(bytes));
  sameBytes(await bytesOf(await wire.plane.storage.objects.get(BUCKET, parseObjectKey('large'), {})), bytes);
  await wire.end();
  folder.remove();
});
