/** Objects whose headers claim what is not so: more frames than can be counted, lines longer than the object, directories that name themselves. */
import { BIG_ENDIAN, EXPLICIT, element, file, IMPLICIT, imageHeader, SYNTAX, sequence } from '../format/dicom-bytes.ts';
import { noise, npy, scan, slice } from './made-images.ts';

const PIXELS = scan(80, 60, 2, 12);

/** NIfTI-1: `dimensions` begin with their number, and may be anything. */
function nifti(datatype: number, dimensions: readonly number[], offset: number, voxels: Buffer): Buffer {
  const head = Buffer.alloc(352);
  head.writeInt32LE(348, 0);
  for (const [i, value] of dimensions.entries()) head.writeInt16LE(value, 40 + 2 * i);
  head.writeInt16LE(datatype, 70);
  head.writeFloatLE(offset, 108);
  head.write('n+1\0', 344, 'latin1');
  return Buffer.concat([head, voxels]);
}

/** TIFF, little endian: its directory stands behind the samples, fields by tag. */
function tiff(fields: Readonly<Record<number, number>>, samples: Buffer, directoryAt = 8 + samples.length): Buffer {
  const entries = Object.entries(fields).map(([tag, value]) => {
    const entry = Buffer.alloc(12);
    entry.writeUInt16LE(Number(tag), 0);
    entry.writeUInt16LE(4, 2);
    entry.writeUInt32LE(1, 4);
    entry.writeUInt32LE(value, 8);
    return entry;
  });
  const head = Buffer.from('II*\0\0\0\0\0', 'latin1');
  head.writeUInt32LE(directoryAt, 4);
  const count = Buffer.alloc(2);
  count.writeUInt16LE(entries.length);
  return Buffer.concat([head, samples, count, ...entries, Buffer.alloc(4)]);
}

const TIFF = { 256: 80, 257: 60, 258: 16, 259: 1, 273: 8, 277: 1, 278: 60 };

function bmp(width: number, height: number, samples: Buffer): Buffer {
  const head = Buffer.alloc(54);
  head.write('BM');
  head.writeUInt32LE(54, 10);
  head.writeUInt32LE(40, 14);
  head.writeInt32LE(width, 18);
  head.writeInt32LE(height, 22);
  head.writeUInt16LE(1, 26);
  head.writeUInt16LE(8, 28);
  return Buffer.concat([head, samples]);
}

function dicom(...dataSet: readonly Buffer[]): Buffer {
  return file(SYNTAX.explicit, ...dataSet);
}

/** Sound ones of every kind, small, for others to break. */
export const SOUND_HEADERS: Readonly<Record<string, Buffer>> = {
  implicit: file(
    SYNTAX.implicit,
    imageHeader(IMPLICIT, { rows: 60, columns: 80 }),
    element(IMPLICIT, 0x7fe0_0010, 'OW', PIXELS),
  ),
  explicit: slice({ rows: 60, columns: 80 }, PIXELS),
  'big endian': file(
    SYNTAX.bigEndian,
    imageHeader(BIG_ENDIAN, { rows: 60, columns: 80 }),
    element(BIG_ENDIAN, 0x7fe0_0010, 'OW', Buffer.from(PIXELS).swap16()),
  ),
  frames: slice({ rows: 6, columns: 80, frames: '10' }, PIXELS),
  colour: slice({ rows: 40, columns: 80, samples: 3, planar: 1, bits: 8 }, PIXELS),
  npy: npy('<u2', [3, 20, 80], PIXELS),
  nifti: nifti(4, [3, 80, 20, 3, 1, 1, 1, 1], 352, PIXELS),
  tiff: tiff(TIFF, PIXELS),
  bmp: bmp(80, 120, PIXELS),
  pnm: Buffer.concat([Buffer.from('P5\n80 60\n4095\n'), PIXELS]),
};

/** The nastiest. Each is no more than a few MiB, whatever it claims. */
export const HOSTILE_HEADERS: Readonly<Record<string, Buffer>> = {
  'more frames than 32 bits count': slice({ rows: 1, columns: 1, bits: 8, frames: '2147483648' }, PIXELS),
  'frames beyond every number': slice({ rows: 60, columns: 80, frames: '9'.repeat(64) }, PIXELS),
  'a negative number of frames': slice({ rows: 60, columns: 80, frames: '-2147483648' }, PIXELS),
  'the largest picture, and few of its bytes': slice({ rows: 65_535, columns: 65_535, samples: 3 }, PIXELS),
  'no rows': slice({ rows: 0, columns: 80 }, PIXELS),
  'a million frames of two bytes': slice({ rows: 1, columns: 1, frames: '1000000' }, scan(1000, 1000, 2, 12)),
  'a picture of one column': slice({ rows: 65_535, columns: 1, frames: '30' }, scan(1, 65_535 * 30, 2, 12)),
  'a value of 4 GiB': slice({ rows: 60, columns: 80 }, PIXELS, undefined, 0xffff_fffe),
  'pixels that never came': slice({ rows: 60, columns: 80 }, Buffer.alloc(0), undefined, PIXELS.length),
  'sequences that nobody closes': dicom(
    Buffer.concat(Array.from({ length: 20_000 }, () => sequence(EXPLICIT, 0x0008_1140, [], true).subarray(0, 12))),
    PIXELS,
  ),
  'a quarter of a million elements': file(
    SYNTAX.implicit,
    imageHeader(IMPLICIT, { between: Buffer.alloc(2 * 1024 * 1024, Buffer.from([9, 0, 16, 0, 0, 0, 0, 0])) }),
    element(IMPLICIT, 0x7fe0_0010, 'OW', PIXELS),
  ),
  'a header of three MiB': slice(
    { rows: 60, columns: 80, between: element(EXPLICIT, 0x0009_1010, 'OB', noise(3 * 1024 * 1024)) },
    PIXELS,
  ),
  'an array of more lines than a double counts': npy('<u2', [2 ** 53, 2 ** 53, 7], PIXELS),
  'an array of forty axes': npy(
    '|u1',
    Array.from({ length: 40 }, () => 1),
    PIXELS,
  ),
  'an array of nothing': npy('<u2', [0, 80], PIXELS),
  'all the voxels that there could be': nifti(4, [7, ...Array.from({ length: 7 }, () => 32_767)], 352, PIXELS),
  'voxels that begin nowhere': nifti(4, [3, 80, 20, 3], Number.NaN, PIXELS),
  'voxels that begin before the file': nifti(4, [3, 80, 20, 3], -3e38, PIXELS),
  'a directory that is the file': tiff(TIFF, PIXELS, 0),
  'strips of no lines': tiff({ ...TIFF, 278: 0 }, PIXELS),
  'four thousand million strips': tiff({ ...TIFF, 257: 0xffff_ffff, 278: 1 }, PIXELS),
  'lines of 4 GiB': tiff({ ...TIFF, 256: 0xffff_ffff }, PIXELS),
  'the lowest picture': bmp(0x7fff_ffff, -0x8000_0000, PIXELS),
  'nothing but comments': Buffer.from(`P6 ${'#\n'.repeat(500_000)}`),
  'more pixels than numbers': Buffer.concat([Buffer.from('P6 999999999 999999999 65535\n'), PIXELS]),
  'a frame that promises an exabyte': Buffer.concat([Buffer.from('28b52ffde0ffffffffffffff0f', 'hex'), PIXELS]),
};
