/**
 * What an object is, from its bytes. Promises: never throws, whatever the bytes are; looks at each of them a bounded number of times, and
 * at a bounded number of them outside DICOM headers; what it says of pixels lies inside the object. What nothing here knows (text, tables,
 * weights) is `other`, and a trial on a sample of it decides.
 */
import { CONTENT_CLASS, type Content } from './content.ts';
import { detectBitmap } from './content-bitmap.ts';
import { detectDicom } from './content-dicom.ts';
import { hasDicomPrefix, magicClass, mayBeJpegXl } from './content-magic.ts';
import { detectNifti } from './content-nifti.ts';
import { detectNpy } from './content-npy.ts';

const UNKNOWN: Content = {
  class: CONTENT_CLASS.other,
  headerLength: 0,
  series: undefined,
  pixels: undefined,
  isCompressed: false,
};
const COMPRESSED: Content = { ...UNKNOWN, class: CONTENT_CLASS.compressed, isCompressed: true };
const PERHAPS_COMPRESSED: Content = { ...COMPRESSED, isCompressed: false };

/** @param bytes the whole object */
export function detectContent(bytes: Buffer): Content {
  return detectBeginning(bytes, bytes.length);
}

/**
 * The same from the first piece of a large object, if its header is in there: pixels are said to lie where they do in the whole.
 *
 * @param size bytes of the whole object
 */
export function detectBeginning(bytes: Buffer, size: number): Content {
  if (bytes.length < 4) return UNKNOWN;
  const objectBytes = Math.max(size, bytes.length);
  // A prefix at byte 128 is more than what the first bytes look like; a data set without one is less.
  if (hasDicomPrefix(bytes)) return detectDicom(bytes, objectBytes) ?? UNKNOWN;
  if (magicClass(bytes) === CONTENT_CLASS.compressed) return COMPRESSED;
  if (mayBeJpegXl(bytes)) return PERHAPS_COMPRESSED;
  return (
    detectNpy(bytes, objectBytes) ??
    detectNifti(bytes, objectBytes) ??
    detectBitmap(bytes, objectBytes) ??
    detectDicom(bytes, objectBytes) ??
    UNKNOWN
  );
}
