/** How pixels lie, as far as there are bytes for them, and as a piece of a large object sees them. */
import type { PixelLayout } from './content.ts';

const LITTLE_ENDIAN_GREY = {
  samples: 1,
  isPlanar: false,
  isSigned: false,
  isFloat: false,
  isBigEndian: false,
} as const;

/** A layout with every field that its format does not speak of at the usual: unsigned whole numbers, little endian, one sample. */
export function pixelLayout(
  fields: Partial<PixelLayout> & Pick<PixelLayout, 'offset' | 'width' | 'height' | 'frames' | 'bytesPerSample'>,
): PixelLayout {
  return { ...LITTLE_ENDIAN_GREY, ...fields };
}

/**
 * What of `layout` lies before `end`: the whole frames; of a first frame that is cut, its whole lines; `undefined` without a whole line.
 * Lines of a cut frame whose planes lie apart are lines of one sample: there are no three planes of equal size any more.
 *
 * @param end bytes of the object up to which there are pixels
 */
export function pixelsBefore(layout: PixelLayout, end: number): PixelLayout | undefined {
  const { offset, width, height, samples, bytesPerSample, isPlanar } = layout;
  if (offset < 0 || offset >= end || !(width > 0 && height > 0 && layout.frames > 0)) return undefined;
  const frames = Math.min(layout.frames, Math.floor((end - offset) / (width * height * samples * bytesPerSample)));
  if (frames > 0) return frames === layout.frames ? layout : { ...layout, frames };
  const lineBytes = width * bytesPerSample * (isPlanar ? 1 : samples);
  const lines = Math.floor((end - offset) / lineBytes);
  if (lines === 0) return undefined;
  const cut = { ...layout, height: lines, frames: 1 };
  return isPlanar ? { ...cut, samples: 1, isPlanar: false } : cut;
}

/** The same pixels seen from a piece that begins at byte `start` of the object: their offset is negative if they begin before it. */
export function pixelsOfPiece(layout: PixelLayout, start: number): PixelLayout {
  return start === 0 ? layout : { ...layout, offset: layout.offset - start };
}
