// HOT PATH
/**
 * Red and blue as their difference from green, modulo the range of the samples and moved to its middle: the three of them rise and fall together in photographs, and are equal
 * in grey pictures that are stored in colour. Guarded by `npm run bench -- compression`.
 */

/** Subtracts `green` from `other`, sample by sample. */
export function subtractGreen(other: Uint16Array, green: Uint16Array, mask: number): void {
  const middle = (mask + 1) >> 1;
  for (let i = 0; i < other.length; i += 1) other[i] = ((other[i] as number) - (green[i] as number) + middle) & mask;
}

export function addGreen(other: Uint16Array, green: Uint16Array, mask: number): void {
  const middle = (mask + 1) >> 1;
  for (let i = 0; i < other.length; i += 1) other[i] = ((other[i] as number) + (green[i] as number) - middle) & mask;
}

/** Samples that are looked at: enough to tell, and few enough to cost nothing. */
const LOOKED_AT = 8192;

/** Whether the differences change less from sample to sample than the colour itself, looked at in a part of the samples. */
export function helps(other: Uint16Array, green: Uint16Array, mask: number): boolean {
  const step = Math.max(1, Math.floor(other.length / LOOKED_AT));
  const half = (mask + 1) >> 1;
  let plain = 0;
  let different = 0;
  for (let i = 1; i < other.length; i += step) {
    const change = (other[i] as number) - (other[i - 1] as number);
    const greenChange = (green[i] as number) - (green[i - 1] as number);
    const turned = (change - greenChange) & mask;
    plain += Math.abs(change);
    different += turned < half ? turned : mask + 1 - turned;
  }
  return different < plain;
}
