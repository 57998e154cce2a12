/** What tests of coding put into a gateway: the real files and the edges, with what must be true of each however it is stored. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { EDGES } from '../codec/edge-objects.ts';
import { noise, npy, realFiles, scan } from '../codec/made-images.ts';
import { IS_LONG } from '../faults/fault-scene.ts';

/** Files of a folder of the larger collection, unless PENSTOCK_LONG asks for all of them. */
const FILES_OF_A_FOLDER = IS_LONG ? Number.POSITIVE_INFINITY : 40;

export interface CorpusObject {
  readonly key: string;
  readonly bytes: Buffer;
  readonly sha256: string;
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

export function corpusObject(key: string, bytes: Buffer): CorpusObject {
  return { key, bytes, sha256: sha256(bytes) };
}

/** Every sample; the collection beside the repository, where it is there; every edge; and an object of several extents. */
export function corpus(): CorpusObject[] {
  const taken = new Map<string, number>();
  const real = realFiles().filter(({ name }) => {
    const folder = name.slice(0, name.lastIndexOf('/'));
    taken.set(folder, (taken.get(folder) ?? 0) + 1);
    return folder.startsWith('samples') || (taken.get(folder) as number) <= FILES_OF_A_FOLDER;
  });
  assert.ok(real.length >= 40, 'the samples are there');
  const made = Object.entries({ ...EDGES, 'a volume of several extents': volume() });
  return [
    ...real.map(({ name, bytes }) => corpusObject(name, bytes)),
    ...made.map(([name, bytes]) => corpusObject(`edges/${name}`, bytes)),
  ];
}

/** Three extents, cut within lines. */
export function volume(): Buffer {
  return npy('<u2', [20, 480, 500], scan(500, 480 * 20, 2, 12));
}

/** Half-open, of at least a byte, the same for the same seed; one in four is short. */
export function someRanges(size: number, count: number, seed: number): { start: number; end: number }[] {
  if (size === 0) return [];
  const chance = noise(count * 12, seed);
  return Array.from({ length: count }, (_, i) => {
    const [a, b, c] = [0, 4, 8].map((at) => chance.readUInt32LE(12 * i + at) / 2 ** 32) as [number, number, number];
    const start = Math.floor(a * size);
    const most = c < 0.25 ? Math.min(200, size - start) : size - start;
    return { start, end: start + 1 + Math.floor(b * (most - 1)) };
  });
}
