/** Objects that shrink, a coder that works where it stands, and what must hold of a store whose objects are coded. */
import assert from 'node:assert/strict';
import { codecSetOf } from '../../src/codec/codec-set.ts';
import { loadCodecs } from '../../src/codec/codecs.ts';
import { directCoder } from '../../src/codec/direct-coder.ts';
import type { Coder } from '../../src/codec/object-coding.ts';
import type { Entry } from '../../src/format/index-entry.ts';
import type { Location } from '../../src/format/manifest.ts';
import { scanAccounts } from '../../src/store/account-scan.ts';
import { examineStore } from '../../src/store/doctor.ts';
import type { Keeper } from '../../src/store/keeper.ts';
import { noise } from '../contract/scene.ts';
import { EXPLICIT, element, file, imageHeader, SYNTAX, text } from '../format/dicom-bytes.ts';

export async function realCoder(): Promise<Coder> {
  return directCoder(codecSetOf((await loadCodecs()).all));
}

/** A coder that does something before it encodes. */
export function codingWith(coder: Coder, before: () => Promise<void> | void): Coder {
  return {
    examine: (items) => coder.examine(items),
    encode: async (items) => {
      await before();
      return coder.encode(items);
    },
    decode: (items) => coder.decode(items),
    close: () => coder.close(),
  };
}

/** A slice of a series: headers of 3 KiB that differ in a line, and smooth pixels with a little noise. */
export function slice(number: number, size = 64): Buffer {
  const pixels = Buffer.alloc(size * size * 2);
  const grain = noise(size * size, number + 1);
  for (let i = 0; i < size * size; i++) pixels.writeUInt16LE(1000 + 3 * (i % size) + ((grain[i] as number) & 7), 2 * i);
  const comment = noise(3000).toString('base64').slice(0, 2800);
  const between = Buffer.concat([
    text(EXPLICIT, 0x0020_0013, 'IS', String(number)),
    text(EXPLICIT, 0x0020_4000, 'UT', comment),
  ]);
  const header = imageHeader(EXPLICIT, { modality: 'MR', rows: size, columns: size, between });
  return file(SYNTAX.explicit, header, element(EXPLICIT, 0x7fe0_0010, 'OW', pixels));
}

/** Lines of text. */
export function lines(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0, i = seed; at < size; i = (i * 48271) % 2147483647)
    at += bytes.write(`line ${i % 1000} of ${seed}\n`, at);
  return bytes;
}

/** Some of each, so that histories have coded and raw objects. */
export function anyBody(size: number, seed: number): Buffer {
  return seed % 3 === 0 ? noise(size, seed) : lines(size, seed);
}

/** The accounts and live bytes say what the entries add up to. */
export function accountsHold({ index, readManifest }: Keeper): void {
  const extentsOf = (entry: Entry): readonly Location[] => readManifest(entry.record).extents;
  assert.deepEqual(index.accounts()?.classes(), scanAccounts(index, extentsOf).classes());
  assert.equal(index.accounts()?.encode().toString('hex'), scanAccounts(index, extentsOf).encode().toString('hex'));
}

export async function nothingIsWrong(root: string, keeper: Keeper): Promise<void> {
  const report = await examineStore(root, keeper.index, undefined, await realCoder());
  assert.deepEqual([report.damaged, report.volumeFaults, report.indexFaults], [[], [], []]);
  accountsHold(keeper);
}
