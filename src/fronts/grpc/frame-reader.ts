// HOT PATH (every byte of every request)
/**
 * Takes the messages out of a request: each has a flag (compressed or not), its length in 32 bits, and its bytes. Promises: however the
 * bytes come in pieces, the messages are the same; a wrong prefix is refused before its message is waited for; what is held is of the
 * size of what was sent, whatever lengths were claimed.
 *
 * Hardest decision: pieces are kept as they came and put together once, when the message is whole. A small piece can keep the whole
 * buffer of the socket alive, so what must wait is copied when it is small, or small in its buffer; thus memory is at most four times
 * what `held` says, and a KiB.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
import { PREFIX_BYTES } from './message.ts';
import { malformed, tooLarge } from './status.ts';

/** Smaller pieces than this are gathered, in buffers of this size. */
const PIECE_BYTES_MIN = 1024;
/** A piece may keep a buffer alive that is this many times its size. */
const PINNED_TIMES_MAX = 4;

export interface Frame {
  readonly isCompressed: boolean;
  /** The receiver's. */
  readonly message: Buffer;
}

export class FrameReader {
  readonly #messageBytesMax: number;
  readonly #allocate: (bytes: number) => Buffer;
  readonly #pieces: Buffer[] = [];
  /** Where the first piece goes on. */
  #start = 0;
  #held = 0;
  /** Pieces before this one have been seen to by `#settle`. */
  #settled = 0;
  /** The last piece when it is one of ours with room left. */
  #gathering: Buffer | undefined;
  #gathered = 0;

  /**
   * @param messageBytesMax of one message as it was sent
   * @param allocate memory for a message that came in pieces
   */
  constructor(messageBytesMax: number, allocate: (bytes: number) => Buffer = Buffer.allocUnsafeSlow) {
    this.#messageBytesMax = messageBytesMax;
    this.#allocate = allocate;
  }

  /** Bytes that came and were not taken. Not 0 at the end of a request: it was cut. */
  get held(): number {
    return this.#held;
  }

  push(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#held += piece.length;
  }

  /** The next message, `undefined` while it is not whole. @throws CallError; the reader is of no use then */
  take(): Frame | undefined {
    if (this.#held < PREFIX_BYTES) return this.#wait();
    const flag = this.#byteAt(0);
    if (flag > 1) throw malformed(`The flag of a message is ${flag}; expected 0 or 1.`);
    const length = this.#byteAt(1) * 0x1000000 + ((this.#byteAt(2) << 16) | (this.#byteAt(3) << 8) | this.#byteAt(4));
    if (length > this.#messageBytesMax) {
      throw tooLarge(`A message has ${length} bytes; at most ${this.#messageBytesMax} are taken here.`);
    }
    if (this.#held < PREFIX_BYTES + length) return this.#wait();
    this.#drop(PREFIX_BYTES);
    return { isCompressed: flag === 1, message: this.#read(length) };
  }

  #byteAt(index: number): number {
    let at = this.#start + index;
    for (const piece of this.#pieces) {
      if (at < piece.length) return piece[at] as number;
      at -= piece.length;
    }
    throw new RangeError(`byte ${index} of ${this.#held}`);
  }

  #drop(bytes: number): void {
    this.#held -= bytes;
    this.#start += bytes;
    let whole = 0;
    for (const piece of this.#pieces) {
      if (this.#start < piece.length) break;
      this.#start -= piece.length;
      whole++;
    }
    if (whole === 0) return;
    this.#pieces.splice(0, whole);
    this.#settled = Math.max(0, this.#settled - whole);
    if (this.#pieces.length === 0) this.#gathering = undefined;
  }

  #read(length: number): Buffer {
    const first = this.#pieces[0];
    if (length === 0 || first === undefined) return Buffer.alloc(0);
    if (first.length - this.#start >= length) {
      const message = first.subarray(this.#start, this.#start + length);
      // What is gathered later must not be written behind a message that was given away: its buffer would be pinned by both.
      this.#gathering = undefined;
      this.#drop(length);
      return message;
    }
    const message = this.#allocate(length);
    let at = first.copy(message, 0, this.#start);
    for (let i = 1; at < length; i++) at += (this.#pieces[i] as Buffer).copy(message, at);
    this.#drop(length);
    return message;
  }

  #wait(): undefined {
    const pieces = this.#pieces;
    while (this.#settled < pieces.length) {
      const piece = pieces[this.#settled] as Buffer;
      const pinned = piece.buffer.byteLength;
      if (piece.length >= PIECE_BYTES_MIN && pinned <= PINNED_TIMES_MAX * piece.length) {
        this.#gathering = undefined;
        this.#settled++;
      } else this.#gather(piece);
    }
    return undefined;
  }

  /** Copies the piece at `#settled`, behind the one before it where there is room. */
  #gather(piece: Buffer): void {
    const at = this.#settled;
    const skipped = at === 0 ? this.#start : 0;
    const bytes = piece.length - skipped;
    if (this.#gathering !== undefined && at > 0 && this.#gathered + bytes <= this.#gathering.length) {
      piece.copy(this.#gathering, this.#gathered, skipped);
      this.#gathered += bytes;
      this.#pieces[at - 1] = this.#gathering.subarray(0, this.#gathered);
      this.#pieces.splice(at, 1);
      return;
    }
    this.#gathering = Buffer.allocUnsafeSlow(Math.max(bytes, PIECE_BYTES_MIN));
    piece.copy(this.#gathering, 0, skipped);
    this.#gathered = bytes;
    this.#pieces[at] = this.#gathering.subarray(0, bytes);
    if (at === 0) this.#start = 0;
    this.#settled++;
  }
}
