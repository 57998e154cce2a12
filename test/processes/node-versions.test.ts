/**
 * A store that was written and coded under one version of Node is read, examined and written on under another, whichever of the two was first:
 * they have different implementations of zstd, and WebAssembly of different ages. PENSTOCK_OTHER_NODE names the other binary.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { BUCKET, FaultScene, lacking } from '../faults/fault-scene.ts';
import { type CorpusObject, corpus, corpusObject, volume } from './coded-corpus.ts';
import { CodedReads, type StoredObject } from './coded-reads.ts';
import { figureOf, nothingIsWrong, putInParts, putOverS3, untilCoded } from './coded-scene.ts';

const OTHER = process.env.PENSTOCK_OTHER_NODE ?? '';
const MINE = process.execPath;

function majorOf(node: string): string {
  return execFileSync(node, ['--version'], { encoding: 'utf8' }).split('.')[0] as string;
}

const missing = OTHER === '' ? 'PENSTOCK_OTHER_NODE names no Node of another version' : undefined;

describe('a store outlives the Node that wrote it', { timeout: 240_000, ...lacking(missing) }, () => {
  const scene = new FaultScene();
  after(() => scene.close());

  /** All series of the samples and every edge, and of the larger collection one file of each folder. */
  const folders = new Set<string>();
  const objects: readonly CorpusObject[] = corpus().filter(({ key }) => {
    const folder = key.slice(0, key.lastIndexOf('/'));
    const isFirst = !folders.has(folder);
    folders.add(folder);
    return isFirst || !key.startsWith('images/');
  });

  /** Reads what is there, adds what is to be added, and waits until it is coded and read as well. */
  async function serveUnder(node: string, store: string, there: StoredObject[], more: CorpusObject[]) {
    const gateway = await scene.start(store, 1, node);
    const reads = new CodedReads(gateway);
    if (there.length === 0) await scene.withBucket(gateway);
    else await reads.all(there);
    const all = [...there, ...(await putOverS3(reads, BUCKET, more))];
    if (there.length === 0) all.push(await putInParts(reads, BUCKET, corpusObject('in parts', volume())));
    await untilCoded(gateway);
    const frames = await reads.all(all);
    assert.ok(frames.overS3 > 0, 'some objects are frames of zstd');
    assert.ok(figureOf(await gateway.metrics(), 'penstock_dictionaries') > 0, 'some need dictionaries');
    reads.close();
    assert.equal((await gateway.stop()).code, 0);
    return all;
  }

  for (const [name, first, second] of [
    ['mine', MINE, OTHER],
    ['the other', OTHER, MINE],
  ] as const) {
    it(`first ${name}, then the other of the two`, async () => {
      assert.notEqual(majorOf(first), majorOf(second), 'PENSTOCK_OTHER_NODE is of the same version');
      const store = join(scene.folder, name.replace(' ', '-'));
      const some = objects.filter((_, i) => i % 5 !== 0);
      const rest = objects.filter((_, i) => i % 5 === 0);
      const written = await serveUnder(first, store, [], some);
      await nothingIsWrong(store, written.length, second);
      const all = await serveUnder(second, store, written, rest);
      await nothingIsWrong(store, all.length, first);
    });
  }
});
