/**
 * What an object is, told from its bytes and never from its name: a class for the accounts, and, where there are pixels, how they lie.
 * Classes and numbers are stored in records and in the index: append only.
 */

/** Classes by number. 0 says that nobody has looked yet. At most 15. */
export const CONTENT_CLASS = {
  unexamined: 0,
  ct: 1,
  mr: 2,
  pt: 3,
  /** CR, DX, MG, XA, RF: projection radiography. */
  xray: 4,
  us: 5,
  /** Pixels of any other kind: NM, pathology, photographs without compression, NIfTI, npy. */
  image: 6,
  /** JPEG, PNG, WebP, gzip, zstd, encapsulated DICOM: looked at no further. */
  compressed: 7,
  other: 8,
} as const;
export type ContentClass = (typeof CONTENT_CLASS)[keyof typeof CONTENT_CLASS];
export type ContentClassName = keyof typeof CONTENT_CLASS;

/** Names by number, for figures and headers. */
export const CLASS_NAMES = Object.keys(CONTENT_CLASS) as readonly ContentClassName[];

/** What people read. */
export const CLASS_TITLES: Readonly<Record<ContentClassName, string>> = {
  unexamined: 'not looked at yet',
  ct: 'CT',
  mr: 'MR',
  pt: 'PT',
  xray: 'X-ray',
  us: 'US',
  image: 'other images',
  compressed: 'already compressed',
  other: 'other',
};

/**
 * Samples of one or more frames of equal shape that follow each other without gaps. All of it lies inside the bytes that were looked
 * at, but for the end: truncated pixels have fewer frames, and what is left is nobody's.
 */
export interface PixelLayout {
  /** Where the first sample lies. */
  readonly offset: number;
  /** Samples of a line; for `samples` of 3, pixels of a line. */
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly bytesPerSample: 1 | 2 | 4 | 8;
  /** Of a pixel: 1, or 3 for RGB. */
  readonly samples: 1 | 3;
  /** `samples` of 3: one plane after the other (RRR GGG BBB) instead of RGB RGB. */
  readonly isPlanar: boolean;
  readonly isSigned: boolean;
  readonly isFloat: boolean;
  readonly isBigEndian: boolean;
}

export interface Content {
  readonly class: ContentClass;
  /** Bytes before the pixels that resemble those of other objects of the series; 0 where nothing does. */
  readonly headerLength: number;
  /** Names the objects whose headers resemble each other (SeriesInstanceUID); `undefined` where nothing says so. */
  readonly series: string | undefined;
  readonly pixels: PixelLayout | undefined;
  /** Nothing is to be gained: stored as it is without a trial. */
  readonly isCompressed: boolean;
}
