/**
 * What the bytes of a zstd frame say before they are decoded (RFC 8878, 3.1.1). Pure.
 *
 * Promises: what `framesOf` lets pass is frames to its last byte, which name the sizes that are expected, and have no more blocks than our own
 * encoders write for so many bytes. A decoder that cannot be told a bound for its output then stays bounded all the same: each block
 * gives at most 128 KiB.
 */

const MAGIC = 0xfd2fb528;
const HEADER_BYTES_MIN = 6;
const BLOCK_BYTES_MAX = 128 * 1024;
/** libzstd splits blocks before it codes them, at levels up to 12, into pieces of at least 8 KiB. */
const SPLIT_BYTES_MIN = 8 * 1024;
/** Levels up to 12 use windows up to 4 MiB. */
const WINDOW_BYTES_MAX = 8 * 1024 * 1024;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;

interface FrameHeader {
  /** Of the whole header. */
  readonly length: number;
  readonly windowSize: number;
  /** `undefined` where the frame does not say. */
  readonly contentSize: number | undefined;
  readonly hasChecksum: boolean;
}

function readContentSize(frame: Buffer, at: number, bytes: number): number {
  if (bytes === 1) return frame.readUInt8(at);
  if (bytes === 2) return frame.readUInt16LE(at) + 256;
  return bytes === 4 ? frame.readUInt32LE(at) : Number(frame.readBigUInt64LE(at));
}

function windowSizeOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function readHeader(frame: Buffer): FrameHeader {
  if (frame.length < HEADER_BYTES_MIN + 3)
    throw new Error(`a zstd frame has at least 9 bytes; this one has ${frame.length}`);
  if (frame.readUInt32LE(0) !== MAGIC)
    throw new Error('these bytes do not begin with the magic number of a zstd frame');
  const descriptor = frame.readUInt8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdBytes = DICTIONARY_ID_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3];
  const flag = (descriptor >> 6) as 0 | 1 | 2 | 3;
  const sizeBytes = flag === 0 && isSingleSegment ? 1 : CONTENT_SIZE_BYTES[flag];
  const sizeAt = 5 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes;
  const length = sizeAt + sizeBytes;
  if (length > frame.length) throw new Error('a zstd frame ends within its header');
  const contentSize = sizeBytes === 0 ? undefined : readContentSize(frame, sizeAt, sizeBytes);
  const windowSize = isSingleSegment ? (contentSize ?? 0) : windowSizeOf(frame.readUInt8(5));
  return { length, windowSize, contentSize, hasChecksum: (descriptor & 4) !== 0 };
}

/** Blocks that our encoders write at most for `size` bytes. */
function blocksMax(size: number): number {
  return Math.ceil(size / SPLIT_BYTES_MIN) + 2;
}

/** Follows the chain of blocks. @returns where it ends */
function walkBlocks(frame: Buffer, start: number, size: number): number {
  let at = start;
  let plain = 0;
  for (let blocks = 0; blocks < blocksMax(size); blocks += 1) {
    if (at + 3 > frame.length) throw new Error('a zstd frame ends within the head of a block');
    const head = frame.readUIntLE(at, 3);
    const type = (head >> 1) & 3;
    const length = head >> 3;
    if (type === 3 || length > BLOCK_BYTES_MAX) throw new Error('a block of a zstd frame is none');
    if (type !== 2) plain += length;
    if (plain > size) throw new Error(`a zstd frame holds more than the ${size} bytes that are expected`);
    at += 3 + (type === 1 ? 1 : length);
    if ((head & 1) === 1) return at;
  }
  throw new Error(`a zstd frame of ${size} bytes has too many blocks`);
}

export interface Frame {
  readonly bytes: Buffer;
  /** Of its content. */
  readonly size: number;
}

function checkHeader(header: FrameHeader, left: number): number {
  const { contentSize, windowSize } = header;
  if (contentSize === undefined || contentSize > left)
    throw new Error(`a zstd frame says that it holds ${contentSize ?? 'unknown'} bytes; expected ${left}`);
  if (windowSize > Math.max(WINDOW_BYTES_MAX, contentSize)) throw new Error('the window of a zstd frame is too large');
  return contentSize;
}

/**
 * Cuts `bytes` into frames.
 *
 * @throws Error when they are not one or more whole frames that say that they hold `size` bytes in all
 */
export function framesOf(bytes: Buffer, size: number): Frame[] {
  const frames: Frame[] = [];
  let rest = bytes;
  let left = size;
  while (rest.length > 0 || frames.length === 0) {
    const header = readHeader(rest);
    const contentSize = checkHeader(header, left);
    const end = walkBlocks(rest, header.length, contentSize) + (header.hasChecksum ? 4 : 0);
    if (end > rest.length) throw new Error(`a zstd frame ends at byte ${end} of ${rest.length}`);
    frames.push({ bytes: rest.subarray(0, end), size: contentSize });
    rest = rest.subarray(end);
    left -= contentSize;
  }
  if (left !== 0) throw new Error(`zstd frames hold ${left} bytes less than the ${size} that are expected`);
  return frames;
}

/** The bytes of a header that says `size`: as libzstd writes it when it knows the size from the beginning. */
function headerOf(size: number, window: number): Buffer {
  const isSingleSegment = size <= windowSizeOf(window);
  const flag = isSingleSegment && size < 256 ? 0 : size >= 256 && size < 65_536 + 256 ? 1 : 2;
  const header = Buffer.allocUnsafe(14);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt8((flag << 6) | (isSingleSegment ? 0x20 : 0), 4);
  let at = 5;
  if (!isSingleSegment) at = header.writeUInt8(window, at);
  if (flag === 0) at = header.writeUInt8(size, at);
  else if (flag === 1) at = header.writeUInt16LE(size - 256, at);
  else at = header.writeUInt32LE(size, at);
  return header.subarray(0, at);
}

/**
 * The same frame, with the size of its content in its header. A window as large as the content becomes a single segment, so that a decoder
 * needs no more memory than the content.
 *
 * @param frame without checksum and dictionary id; may be returned as it is
 * @param size below 4 GiB
 */
export function withContentSize(frame: Buffer, size: number): Buffer {
  const header = readHeader(frame);
  if (header.contentSize !== undefined) return frame;
  if (frame.readUInt8(4) !== 0) throw new Error('a zstd frame with a checksum or the number of a dictionary');
  const head = headerOf(size, frame.readUInt8(5));
  const blocks = frame.subarray(header.length);
  const sized = Buffer.allocUnsafeSlow(head.length + blocks.length);
  head.copy(sized, 0);
  blocks.copy(sized, head.length);
  return sized;
}

const DICTIONARY_MAGIC = 0xec30a437;

/** libzstd would read these bytes as a trained dictionary and not as raw content, or would not use them at all. */
export function isRawContent(dictionary: Buffer): boolean {
  return dictionary.length >= 8 && dictionary.readUInt32LE(0) !== DICTIONARY_MAGIC;
}
