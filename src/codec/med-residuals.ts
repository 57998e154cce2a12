// HOT PATH
/**
 * What the median edge detector of LOCO-I did not foresee (Weinberger, Seroussi, Sapiro, HPL-98-193; ITU-T T.87, A.4), sample by sample, and back.
 *
 * Promises: the residuals of a plane are a bijection of its samples, in 8 or 16 bits, without a bit more than the samples have.
 *
 * The hardest decision: residuals are put together by how restless the neighbourhood of their sample is, which the decoder knows before it knows
 * the sample. Each such group is coded apart, so that one Huffman table serves what is alike. It takes the place of JPEG-LS's adaptive Golomb codes,
 * and leaves the bits to zstd, which is native: 5 to 10 % fewer bytes than one group, at the same speed.
 *
 * Guarded by `npm run bench -- compression`. The loops carry the neighbours from sample to sample, and read two words a sample.
 */

/** What is added to residuals, so that the high bytes of small ones are 0, whatever their sign. */
export const MIDDLE = 0x80;

/** Classes of restlessness: two for each power of two, up to 4096. */
export const CLASSES = 23;
const RESTLESSNESS_MAX = 4096;

/** Class by restlessness. */
export function classTable(): Uint8Array {
  const table = new Uint8Array(RESTLESSNESS_MAX + 1);
  for (let value = 0; value <= RESTLESSNESS_MAX; value += 1) {
    const octave = 31 - Math.clz32(value + 2);
    table[value] = 2 * octave + (((value + 2) >> (octave - 1)) & 1) - 2;
  }
  return table;
}

/** Group by restlessness, where `lastClasses` names the last class of each group. */
export function groupTable(classes: Uint8Array, lastClasses: readonly number[], into: Uint8Array): void {
  let group = 0;
  for (let value = 0; value <= RESTLESSNESS_MAX; value += 1) {
    while ((classes[value] as number) > (lastClasses[group] ?? CLASSES)) group += 1;
    into[value] = group;
  }
}

/** The frame of the line `row` (the first is 1) and of the one above it. */
function frameLine(plane: Uint16Array, row: number, stride: number): void {
  const above = (row - 1) * stride;
  plane[above + stride - 1] = plane[above + stride - 2] as number;
  plane[above + stride] = plane[above + 1] as number;
}

/**
 * Residuals in the order of the samples, each with `MIDDLE` added, with the class of each.
 *
 * @param plane with a frame, which is overwritten
 * @param counts of residuals by class, added to
 */
export function foresee(
  plane: Uint16Array,
  width: number,
  height: number,
  bits: 8 | 16,
  table: Uint8Array,
  residuals: Uint16Array,
  classes: Uint8Array,
  counts: Int32Array,
): void {
  const stride = width + 2;
  const mask = (1 << bits) - 1;
  let out = 0;
  plane.fill(0, 0, stride);
  for (let row = 1; row <= height; row += 1) {
    frameLine(plane, row, stride);
    let at = row * stride + 1;
    let above = at - stride + 1;
    let left = plane[at - 1] as number;
    let northWest = plane[above - 2] as number;
    let north = plane[above - 1] as number;
    let restless = 0;
    for (const end = at + width; at < end; ) {
      do {
        const northEast = plane[above] as number;
        restless = Math.abs(northEast - north) + Math.abs(north - northWest) + Math.abs(northWest - left);
        const apart = left - north;
        const less = apart & (apart >> 31);
        const low = north + less;
        const high = left - less;
        const over = left - northWest - less;
        const under = (over & ~(over >> 31)) + low - high;
        const foreseen = high + (under & (under >> 31));
        const sample = plane[at] as number;
        const kind = table[Math.min(restless, RESTLESSNESS_MAX)] as number;
        residuals[out] = (sample - foreseen + MIDDLE) & mask;
        classes[out] = kind;
        counts[kind] = (counts[kind] as number) + 1;
        left = sample;
        northWest = north;
        north = northEast;
        at += 1;
        above += 1;
        out += 1;
      } while (restless !== 0 && at < end);
      if (left !== north) continue;
      // Among equals, and one of them: as long as that stays so, there is nothing to foresee.
      const begin = out;
      for (; at < end && plane[above] === left && plane[at] === left; at += 1, above += 1, out += 1) {
        residuals[out] = MIDDLE;
        classes[out] = 0;
      }
      counts[0] = (counts[0] as number) + out - begin;
    }
  }
}

/**
 * The inverse: samples from residuals that stand together by group.
 *
 * @param residuals each with `MIDDLE` added; each group's in the order of its samples
 * @param positions where each group begins; afterwards, where its reading ended
 */
export function recall(
  residuals: Uint16Array,
  positions: Int32Array,
  groups: Uint8Array,
  width: number,
  height: number,
  bits: 8 | 16,
  plane: Uint16Array,
): void {
  const stride = width + 2;
  const mask = (1 << bits) - 1;
  plane.fill(0, 0, stride);
  for (let row = 1; row <= height; row += 1) {
    frameLine(plane, row, stride);
    let at = row * stride + 1;
    let above = at - stride + 1;
    let left = plane[at - 1] as number;
    let northWest = plane[above - 2] as number;
    let north = plane[above - 1] as number;
    let restless = 0;
    for (const end = at + width; at < end; ) {
      do {
        const northEast = plane[above] as number;
        restless = Math.abs(northEast - north) + Math.abs(north - northWest) + Math.abs(northWest - left);
        const group = groups[Math.min(restless, RESTLESSNESS_MAX)] as number;
        const position = positions[group] as number;
        positions[group] = position + 1;
        const apart = left - north;
        const less = apart & (apart >> 31);
        const low = north + less;
        const high = left - less;
        const over = left - northWest - less;
        const under = (over & ~(over >> 31)) + low - high;
        const foreseen = high + (under & (under >> 31));
        left = (foreseen - MIDDLE + (residuals[position] as number)) & mask;
        plane[at] = left;
        northWest = north;
        north = northEast;
        at += 1;
        above += 1;
      } while (restless !== 0 && at < end);
      if (left !== north) continue;
      // Among equals, and one of them: as long as that stays so, nothing has to be foreseen.
      let position = positions[0] as number;
      for (; at < end && plane[above] === left && residuals[position] === MIDDLE; at += 1, above += 1, position += 1)
        plane[at] = left;
      positions[0] = position;
    }
  }
}
