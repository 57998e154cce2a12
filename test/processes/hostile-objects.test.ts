/** Objects whose headers lie, through a whole gateway: they come back coded or not, and no process of it ends for them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOSTILE_HEADERS, SOUND_HEADERS } from '../codec/hostile-headers.ts';
import { BUCKET, FaultScene, pidsOf } from '../faults/fault-scene.ts';
import { corpusObject } from './coded-corpus.ts';
import { CodedReads } from './coded-reads.ts';
import { figureOf, nothingIsWrong, putOverGrpc, putOverS3, untilCoded } from './coded-scene.ts';
import type { GatewayProcess } from './gateway-process.ts';

describe('objects whose headers lie', { timeout: 120_000 }, () => {
  const scene = new FaultScene();
  let gateway: GatewayProcess;
  let reads: CodedReads;
  before(async () => {
    gateway = await scene.start();
    reads = new CodedReads(gateway);
  });
  after(async () => {
    reads.close();
    await scene.close();
  });

  it('are stored, coded where they can be, and read, by the same processes from the beginning to the end', async () => {
    const pids = await pidsOf(gateway);
    await scene.withBucket(gateway);
    const all = Object.entries({ ...SOUND_HEADERS, ...HOSTILE_HEADERS }).map(([key, bytes]) =>
      corpusObject(key, bytes),
    );
    const half = all.length >> 1;
    const objects = [
      ...(await putOverS3(reads, BUCKET, all.slice(0, half))),
      ...(await putOverGrpc(reads, BUCKET, all.slice(half))),
    ];
    await reads.all(objects);
    await untilCoded(gateway);
    await reads.all(objects);
    const metrics = await gateway.metrics();
    assert.ok(figureOf(metrics, 'penstock_coding_objects_total', 'outcome="coded"') >= 10);
    assert.equal(figureOf(metrics, 'penstock_codec_mismatches_total'), 0);
    assert.deepEqual(await pidsOf(gateway), pids);
    assert.deepEqual(
      gateway.logs.filter(({ level }) => level === 'error' || level === 'fatal'),
      [],
    );
    await nothingIsWrong(`${scene.folder}/store`, objects.length);
  });
});
