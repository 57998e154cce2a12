/**
 * Pictures of 8 and 16 bits: each sample as its difference from what the median edge detector foresees, grouped by how restless its neighbourhood is,
 * then zstd. Plain TypeScript over native zstd.
 *
 * Layout: one byte of flags (1: red and blue are stored as differences from green), then the residuals of each plane (residual-streams.ts).
 */
import { LIMITS } from '../base/limits.ts';
import { addGreen, helps, subtractGreen } from './green-difference.ts';
import { CLASSES, classTable, foresee, groupTable, recall } from './med-residuals.ts';
import { CODEC, type PlaneCodec, type Shape } from './plane-codec.ts';
import { type Cursor, codeResiduals, decodeResiduals } from './residual-streams.ts';
import { framedRoom, isPicture, readPlane, writePlane } from './sample-planes.ts';
import type { Zstd } from './zstd-interface.ts';

const FLAG_GREEN = 1;
const GREEN = 1;

/** Memory of one codec that its calls share; grows to what the largest picture needs, which is bounded. */
interface Scratch {
  planes: Uint16Array[];
  residuals: Uint16Array;
  classes: Uint8Array;
  readonly table: Uint8Array;
  readonly groups: Uint8Array;
}

function newScratch(): Scratch {
  const table = classTable();
  return {
    planes: [new Uint16Array(0), new Uint16Array(0), new Uint16Array(0)],
    residuals: new Uint16Array(0),
    classes: new Uint8Array(0),
    table,
    groups: new Uint8Array(table.length),
  };
}

/** Planes for the shape. The rooms of unusually large pictures are not kept. */
function planesFor(scratch: Scratch, shape: Shape): Uint16Array[] {
  const { length } = framedRoom(shape);
  return Array.from({ length: shape.samples }, (_, index) => {
    const room = scratch.planes[index];
    if (room !== undefined && room.length >= length) return room.subarray(0, length);
    const plane = new Uint16Array(length);
    if (length * 2 <= LIMITS.pictureBytesMax) scratch.planes[index] = plane;
    return plane;
  });
}

function makeRoom(scratch: Scratch, total: number): void {
  if (scratch.residuals.length >= total) return;
  scratch.residuals = new Uint16Array(total);
  scratch.classes = new Uint8Array(total);
}

function differFromGreen(planes: readonly Uint16Array[], mask: number): boolean {
  const [red, green, blue] = planes;
  if (red === undefined || green === undefined || blue === undefined) return false;
  if (!helps(red, green, mask)) return false;
  subtractGreen(red, green, mask);
  subtractGreen(blue, green, mask);
  return true;
}

function encodePicture(zstd: Zstd, scratch: Scratch, bytes: Buffer, shape: Shape): Buffer {
  const { width, height } = shape;
  const bits = shape.bytesPerSample === 1 ? 8 : 16;
  const total = width * height;
  const room = framedRoom(shape);
  const planes = planesFor(scratch, shape);
  makeRoom(scratch, total);
  planes.forEach((plane, index) => {
    // What an earlier picture left around the samples would be looked at when green is tried.
    if (shape.samples === 3) plane.fill(0);
    readPlane(bytes, shape, index, plane, room);
  });
  const isDifferent = differFromGreen(planes, 2 ** bits - 1);
  const parts: Buffer[] = [Buffer.of(isDifferent ? FLAG_GREEN : 0)];
  for (const plane of planes) {
    const counts = new Int32Array(CLASSES);
    foresee(plane, width, height, bits, scratch.table, scratch.residuals, scratch.classes, counts);
    parts.push(...codeResiduals(zstd, scratch.residuals, scratch.classes, counts, total, bits));
  }
  return Buffer.concat(parts);
}

function decodePlane(zstd: Zstd, scratch: Scratch, cursor: Cursor, shape: Shape, plane: Uint16Array): void {
  const { width, height } = shape;
  const bits = shape.bytesPerSample === 1 ? 8 : 16;
  const total = width * height;
  const residuals = scratch.residuals.subarray(0, total);
  const { lastClasses, begins } = decodeResiduals(zstd, cursor, total, bits, residuals);
  groupTable(scratch.table, lastClasses, scratch.groups);
  const positions = begins.slice(0, lastClasses.length);
  recall(residuals, positions, scratch.groups, width, height, bits, plane);
  for (let group = 0; group < positions.length; group += 1) {
    if (positions[group] !== begins[group + 1]) throw new Error('residuals of a picture are in the wrong groups');
  }
}

function decodePicture(zstd: Zstd, scratch: Scratch, coded: Buffer, shape: Shape, into: Buffer): void {
  const flags = coded[0];
  if (flags === undefined || flags > FLAG_GREEN) throw new Error(`a picture with flags ${flags}; expected 0 or 1`);
  const planes = planesFor(scratch, shape);
  makeRoom(scratch, shape.width * shape.height);
  const cursor: Cursor = { bytes: coded, at: 1 };
  for (const plane of planes) decodePlane(zstd, scratch, cursor, shape, plane);
  if (cursor.at !== coded.length) throw new Error(`a picture ends at byte ${cursor.at} of ${coded.length}`);
  const room = framedRoom(shape);
  planes.forEach((plane, index) => {
    const green = planes[GREEN];
    if (flags === FLAG_GREEN && index !== GREEN && green !== undefined)
      addGreen(plane, green, shape.bytesPerSample === 1 ? 0xff : 0xffff);
    writePlane(plane, shape, index, into, room);
  });
}

export function medCodec(zstd: Zstd): PlaneCodec {
  const scratch = newScratch();
  return {
    number: CODEC.med,
    name: 'MED + zstd',
    accepts: (shape) => shape !== undefined && shape.bytesPerSample <= 2,
    encode(bytes, shape) {
      if (shape === undefined || !isPicture(shape, bytes.length)) return undefined;
      return encodePicture(zstd, scratch, bytes, shape);
    },
    decode(coded, shape, into) {
      if (shape === undefined || !isPicture(shape, into.length))
        throw new Error(`${into.length} bytes are not those of a picture of this shape`);
      decodePicture(zstd, scratch, coded, shape, into);
    },
  };
}
