/**
 * Objects through a whole gateway that codes them behind its clients' backs: real images and made edges, written over S3 and gRPC, are read in
 * every way at once, coded, compacted, and after everything was killed, and are always the bytes that were written.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FaultScene, killAll, pidsOf } from '../faults/fault-scene.ts';
import { type CorpusObject, corpus, corpusObject, volume } from './coded-corpus.ts';
import { CodedReads, type StoredObject } from './coded-reads.ts';
import {
  figureOf,
  nothingIsWrong,
  putInParts,
  putOverGrpc,
  putOverS3,
  untilCoded,
  untilCompacted,
} from './coded-scene.ts';
import type { GatewayProcess } from './gateway-process.ts';

const LIMIT = { timeout: 300_000 };
const BUCKETS = { s3: 'over-s3', grpc: 'over-grpc' } as const;

describe('objects that are coded behind the backs of their readers', LIMIT, () => {
  const scene = new FaultScene();
  const store = join(scene.folder, 'store');
  let gateway: GatewayProcess;
  let reads: CodedReads;
  let objects: StoredObject[] = [];
  const all: readonly CorpusObject[] = corpus();

  before(async () => {
    gateway = await scene.start(store);
    reads = new CodedReads(gateway);
    for (const bucket of Object.values(BUCKETS)) await reads.callers[0]?.expect(200, 'PUT', bucket, '');
  });
  after(async () => {
    reads.close();
    await scene.close();
  });

  it('are what was written at once', async () => {
    objects = [
      ...(await putOverS3(reads, BUCKETS.s3, all)),
      ...(await putOverGrpc(reads, BUCKETS.grpc, all)),
      await putInParts(reads, BUCKETS.s3, corpusObject('in parts', volume())),
    ];
    await reads.all(objects);
  });

  it('are what was written while they are coded and after, and whoever takes zstd gets frames as they are stored', async () => {
    const pids = await pidsOf(gateway);
    await reads.allUntil(objects, untilCoded(gateway));
    const frames = await reads.all(objects);
    assert.ok(frames.overS3 >= 2 && frames.overGrpc >= 2, JSON.stringify(frames));
    const metrics = await gateway.metrics();
    assert.equal(figureOf(metrics, 'penstock_codec_mismatches_total'), 0);
    for (const name of ['ct', 'mr', 'pt', 'image']) {
      const written = figureOf(metrics, 'penstock_class_bytes', `class="${name}"`);
      const stored = figureOf(metrics, 'penstock_class_stored_bytes', `class="${name}"`);
      assert.ok(stored < written * 0.8, `${name}: ${stored} of ${written}`);
    }
    assert.ok(figureOf(metrics, 'penstock_dictionaries') > 0);
    const decoded = figureOf(metrics, 'penstock_decoded_payloads_total');
    const coded = figureOf(metrics, 'penstock_coding_objects_total', 'outcome="coded"');
    assert.ok(coded > objects.length / 2 && decoded >= coded, `${coded} coded, ${decoded} decoded`);
    assert.deepEqual(await pidsOf(gateway), pids);
  });

  it('are what was written when most of their neighbours went or were written anew, and while the rest is compacted', async () => {
    const [caller] = reads.callers;
    const bySize = [...objects].sort((a, b) => b.bytes.length - a.bytes.length);
    const gone = bySize.filter((_, i) => i % 4 < 2);
    const anew = bySize.filter((_, i) => i % 4 === 2);
    for (const { bucket, key } of gone) await caller?.expect(204, 'DELETE', bucket, key);
    const bytesOf = (i: number): Buffer => (anew[(i + 1) % anew.length] as StoredObject).bytes;
    const written = anew.map(({ key, bucket }, i) => ({ bucket, object: corpusObject(key, bytesOf(i)) }));
    const ofBucket = (name: string) => written.filter(({ bucket }) => bucket === name).map(({ object }) => object);
    objects = [
      ...bySize.filter((_, i) => i % 4 === 3),
      ...(await putOverGrpc(reads, BUCKETS.grpc, ofBucket(BUCKETS.grpc))),
      ...(await putOverS3(reads, BUCKETS.s3, ofBucket(BUCKETS.s3))),
    ];
    await reads.allUntil(objects, untilCompacted(gateway));
    await reads.allUntil(objects, untilCoded(gateway));
    await reads.all(objects);
    for (const { bucket, key } of gone) await caller?.expect(404, 'GET', bucket, key);
  });

  it('are what was written when everything was killed, and the doctor finds nothing wrong', async () => {
    reads.close();
    await killAll(gateway);
    gateway = await scene.start(store);
    reads = new CodedReads(gateway, 2);
    const frames = await reads.all(objects);
    assert.ok(frames.overGrpc >= 1, JSON.stringify(frames));
    await nothingIsWrong(store, objects.length);
  });

  it('are what was written when the index was lost and made anew from the volumes', async () => {
    reads.close();
    await gateway.stop();
    rmSync(join(store, 'index'), { recursive: true });
    gateway = await scene.start(store);
    reads = new CodedReads(gateway, 3);
    await reads.allUntil(objects, untilCoded(gateway));
    await reads.all(objects);
    await nothingIsWrong(store, objects.length);
  });
});
