/** Images made for tests of coding: arrays with a header of NumPy, and slices of DICOM; and the files that lie about. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { EXPLICIT, element, file, type ImageFields, imageHeader, SYNTAX } from '../format/dicom-bytes.ts';

/** Bytes without any pattern, the same every time. */
export function noise(bytes: number, seed = 1): Buffer {
  let state = seed;
  const made = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    made[at] = state >>> 24;
  }
  return made;
}

/** A slope with noise of four bits, of so many bits in all. */
export function scan(width: number, height: number, bytesPerSample: 1 | 2, bits: number, seed = 1): Buffer {
  const made = Buffer.alloc(width * height * bytesPerSample);
  const grain = noise(width * height, seed);
  const most = 2 ** bits - 1;
  for (let at = 0; at < width * height; at++) {
    const value = (seed * 7 + (at % width) + 2 * Math.floor(at / width) + ((grain[at] as number) >> 4)) & most;
    if (bytesPerSample === 1) made[at] = value;
    else made.writeUInt16LE(value, 2 * at);
  }
  return made;
}

/** An array of NumPy: `descr` as `<u2`, any number of dimensions. */
export function npy(descr: string, shape: readonly number[], data: Buffer): Buffer {
  const head = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  return Buffer.concat([Buffer.from(`\x93NUMPY\x01\x00\x76\x00${head.padEnd(117)}\n`, 'latin1'), data]);
}

/** A native slice, with what may follow its pixels. */
export function slice(
  fields: ImageFields,
  pixels: Buffer,
  trailer: Buffer = Buffer.alloc(0),
  length = pixels.length,
): Buffer {
  return file(
    SYNTAX.explicit,
    imageHeader(EXPLICIT, fields),
    element(EXPLICIT, 0x7fe0_0010, 'OW', pixels, length),
    trailer,
  );
}

const root = path.join(import.meta.dirname, '../..');

/** The samples of the project, and of a larger collection beside the repository those that are there. */
export function realFiles(): { readonly name: string; readonly bytes: Buffer }[] {
  const folders = [path.join(root, 'samples'), path.join(root, '../shared/fixtures/images')];
  return folders.filter((folder) => existsSync(folder)).flatMap((folder) => filesIn(folder, path.basename(folder)));
}

function filesIn(folder: string, name: string): { name: string; bytes: Buffer }[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(folder, entry.name);
    const entryName = `${name}/${entry.name}`;
    if (entry.isDirectory()) return filesIn(full, entryName);
    return entry.isFile() ? [{ name: entryName, bytes: readFileSync(full) }] : [];
  });
}
