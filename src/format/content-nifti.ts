/**
 * NIfTI-1 and NIfTI-2, header and voxels in one file, in either byte order (nifti1.h, nifti2.h of the NIfTI data format working group).
 * The two axes that vary fastest are a frame, all others count frames.
 */
import { CONTENT_CLASS, type Content, type PixelLayout } from './content.ts';
import { standsAt } from './content-magic.ts';
import { pixelLayout, pixelsBefore } from './content-pixels.ts';

const NIFTI_1_BYTES = 348;
const NIFTI_2_BYTES = 540;
const NIFTI_1_MAGIC = Buffer.from('n+1\0');
const NIFTI_2_MAGIC = Buffer.from('n+2\0\r\n\x1a\n', 'latin1');

type Voxel = Pick<PixelLayout, 'bytesPerSample'> &
  Partial<Pick<PixelLayout, 'samples' | 'isSigned' | 'isFloat'>> & { readonly perLine?: 2 };

/** By `datatype`. Complex voxels are two samples of their line. Not here: bits, quadruple precision and RGBA. */
const VOXELS: ReadonlyMap<number, Voxel> = new Map<number, Voxel>([
  [2, { bytesPerSample: 1 }],
  [4, { bytesPerSample: 2, isSigned: true }],
  [8, { bytesPerSample: 4, isSigned: true }],
  [16, { bytesPerSample: 4, isFloat: true }],
  [32, { bytesPerSample: 4, isFloat: true, perLine: 2 }],
  [64, { bytesPerSample: 8, isFloat: true }],
  [128, { bytesPerSample: 1, samples: 3 }],
  [256, { bytesPerSample: 1, isSigned: true }],
  [512, { bytesPerSample: 2 }],
  [768, { bytesPerSample: 4 }],
  [1024, { bytesPerSample: 8, isSigned: true }],
  [1280, { bytesPerSample: 8 }],
  [1792, { bytesPerSample: 8, isFloat: true, perLine: 2 }],
]);

interface NiftiHeader {
  readonly datatype: number;
  /** Number of axes, and then their lengths, the fastest first. */
  readonly dimensions: readonly number[];
  readonly offset: number;
  readonly isBigEndian: boolean;
}

/** `undefined` where the bytes are no NIfTI file. `size` is the object's, of which `bytes` is the beginning. */
export function detectNifti(bytes: Buffer, size: number): Content | undefined {
  const header = readNifti1(bytes) ?? readNifti2(bytes);
  if (header === undefined) return undefined;
  const layout = layoutOf(header);
  return {
    class: CONTENT_CLASS.image,
    headerLength: 0,
    series: undefined,
    pixels: layout && pixelsBefore(layout, size),
    isCompressed: false,
  };
}

/** Whether the header is in big endian, told by its first field; `undefined` where it is neither. */
function byteOrder(bytes: Buffer, headerBytes: number): boolean | undefined {
  if (bytes.readInt32LE(0) === headerBytes) return false;
  return bytes.readInt32BE(0) === headerBytes ? true : undefined;
}

function readNifti1(bytes: Buffer): NiftiHeader | undefined {
  if (bytes.length < NIFTI_1_BYTES || !standsAt(bytes, 344, NIFTI_1_MAGIC)) return undefined;
  const isBigEndian = byteOrder(bytes, NIFTI_1_BYTES);
  if (isBigEndian === undefined) return undefined;
  const short = (at: number): number => (isBigEndian ? bytes.readInt16BE(at) : bytes.readInt16LE(at));
  return {
    datatype: short(70),
    dimensions: Array.from({ length: 8 }, (_, index) => short(40 + 2 * index)),
    offset: isBigEndian ? bytes.readFloatBE(108) : bytes.readFloatLE(108),
    isBigEndian,
  };
}

function readNifti2(bytes: Buffer): NiftiHeader | undefined {
  if (bytes.length < NIFTI_2_BYTES || !standsAt(bytes, 4, NIFTI_2_MAGIC)) return undefined;
  const isBigEndian = byteOrder(bytes, NIFTI_2_BYTES);
  if (isBigEndian === undefined) return undefined;
  const long = (at: number): number => Number(isBigEndian ? bytes.readBigInt64BE(at) : bytes.readBigInt64LE(at));
  return {
    datatype: isBigEndian ? bytes.readInt16BE(12) : bytes.readInt16LE(12),
    dimensions: Array.from({ length: 8 }, (_, index) => long(16 + 8 * index)),
    offset: long(168),
    isBigEndian,
  };
}

function layoutOf({ datatype, dimensions, offset, isBigEndian }: NiftiHeader): PixelLayout | undefined {
  const voxel = VOXELS.get(datatype);
  const axes = dimensions[0] as number;
  if (voxel === undefined || axes < 1 || axes > 7 || !Number.isSafeInteger(offset) || offset < NIFTI_1_BYTES) {
    return undefined;
  }
  const length = (axis: number): number => (axis <= axes ? (dimensions[axis] as number) : 1);
  const { perLine = 1, ...samples } = voxel;
  let frames = 1;
  for (let axis = 3; axis <= axes; axis++) frames *= Math.max(0, length(axis));
  return pixelLayout({ offset, width: length(1) * perLine, height: length(2), frames, isBigEndian, ...samples });
}
