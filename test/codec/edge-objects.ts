/** Objects at the edges of what coding does: noise, constants, odd shapes, headers that lie, and the smallest and largest of them. */
import { LIMITS } from '../../src/base/limits.ts';
import { EXPLICIT, element, file, fragments, imageHeader, SYNTAX } from '../format/dicom-bytes.ts';
import { noise, npy, scan, slice } from './made-images.ts';

/** Samples changed after they were made. */
function mapped(bytes: Buffer, change: (byte: number, at: number) => number): Buffer {
  return Buffer.from(bytes.map(change));
}

/** By what is odd about them. */
export const EDGES: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from('x'),
  'a slice of noise': slice({ rows: 100, columns: 100 }, noise(20_000)),
  'a constant slice': slice({ rows: 100, columns: 100 }, Buffer.alloc(20_000, 7)),
  'bits above those that are stored': slice(
    { rows: 64, columns: 64 },
    mapped(scan(64, 64, 2, 12), (byte, at) => (at % 2 === 1 ? byte | 0xf0 : byte)),
  ),
  'negative samples': slice(
    { rows: 64, columns: 64, isSigned: true },
    mapped(scan(64, 64, 2, 11), (byte, at) => (at % 2 === 1 ? byte - 3 : byte)),
  ),
  'pixels that were cut off': slice(
    { rows: 100, columns: 100 },
    scan(100, 77, 2, 12).subarray(0, -3),
    undefined,
    20_000,
  ),
  'bytes behind the pixels': slice({ rows: 64, columns: 64 }, scan(64, 64, 2, 12), noise(101)),
  'planes of colour': slice({ rows: 50, columns: 60, samples: 3, planar: 1, bits: 8 }, scan(60, 150, 1, 8)),
  'colour by pixel': slice({ rows: 50, columns: 60, samples: 3, planar: 0, bits: 8 }, scan(180, 50, 1, 8)),
  'colour of 16 bits': slice({ rows: 50, columns: 60, samples: 3, planar: 0, bits: 16 }, scan(180, 50, 2, 16)),
  'noise in colour of 16 bits': slice({ rows: 50, columns: 60, samples: 3, planar: 0, bits: 16 }, noise(18_000)),
  'planes of colour of 16 bits': slice(
    { rows: 50, columns: 60, samples: 3, planar: 1, bits: 16 },
    scan(180, 50, 2, 16),
  ),
  'a single pixel': slice({ rows: 1, columns: 1 }, Buffer.from([1, 2])),
  'one row': slice({ rows: 1, columns: 3000 }, scan(3000, 1, 2, 12)),
  'one column': slice({ rows: 3000, columns: 1 }, scan(1, 3000, 2, 12)),
  'many frames': slice({ rows: 32, columns: 32, frames: '90' }, scan(32, 32 * 90, 2, 12)),
  'large frames': slice({ rows: 300, columns: 400, frames: '3' }, scan(400, 900, 2, 12)),
  'frames of one byte': npy('|u1', [5000, 1, 1], scan(5000, 1, 1, 8)),
  'every value of 16 bits': npy(
    '<u2',
    [256, 256],
    Buffer.from(Uint16Array.from({ length: 65_536 }, (_, i) => i).buffer),
  ),
  'big endian': npy('>i2', [80, 80], scan(80, 80, 2, 12).swap16()),
  'single precision': npy(
    '<f4',
    [60, 70],
    Buffer.from(Float32Array.from({ length: 4200 }, (_, i) => 100 + i / 7).buffer),
  ),
  'double precision': npy(
    '<f8',
    [60, 70],
    Buffer.from(Float64Array.from({ length: 4200 }, (_, i) => Math.round(Math.sin(i) * 9)).buffer),
  ),
  'half precision': npy('<f2', [60, 70], scan(60, 70, 2, 16)),
  'four bytes': npy('<i4', [60, 70], Buffer.from(Int32Array.from({ length: 4200 }, (_, i) => -i * 3).buffer)),
  text: Buffer.from('series,slice,label\n'.repeat(20_000)),
  'noise that is nothing': noise(300_000),
  'noise after text': Buffer.concat([Buffer.alloc(70_000, 'text '), noise(200_000)]),
  'the largest piece': npy('<u2', [1024, 2047], scan(2047, 1024, 2, 12)),
  'larger than a piece may be': Buffer.alloc(LIMITS.extentBytes + 1),
  'an encapsulated image with a large header': file(
    SYNTAX.jpeg,
    imageHeader(EXPLICIT, { between: element(EXPLICIT, 0x0029_1010, 'OB', Buffer.alloc(9000, 'private ')) }),
    element(EXPLICIT, 0x7fe0_0010, 'OB', fragments(noise(3000)), 2 ** 32 - 1),
  ),
};
