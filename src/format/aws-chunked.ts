// HOT PATH
/**
 * Takes the `aws-chunked` framing off an upload, without copying, and verifies the signatures of chunks and trailer.
 *
 *     SIZE[;chunk-signature=HEX64] CRLF  DATA CRLF  ...  0[;chunk-signature=HEX64] CRLF  [NAME:VALUE CRLF ...]  CRLF
 *
 * Promises: `end()` returns only when the body was whole: every chunk and the trailer verified, exactly the announced number of
 * bytes, every announced trailer there and no other. Only the very last CRLF may be missing, and one may be too many.
 *
 * Hardest decision: data is handed out before its signature can be checked, because a chunk may be as large as the body. So
 * **nothing may be published before `end()` has returned.**
 *
 * The trailer is taken as it is signed: a name in lower case, no blanks around the value. Lines that end in a bare LF are taken,
 * and a blank line between such a line and the trailer's signature, because the MinIO client writes them.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
 */
import type { Hash } from 'node:crypto';
import { createHash, hash } from 'node:crypto';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { SigningKey } from './sigv4-key.ts';

export interface ChunkSigner {
  readonly signingKey: SigningKey;
  /** `20130524T000000Z` */
  readonly date: string;
  readonly scope: string;
  /** Signature of the request, which the first chunk is chained to. */
  readonly signature: string;
}

export interface ChunkedOptions {
  /** x-amz-decoded-content-length in bytes. */
  readonly decodedLength: number;
  /** Absent for STREAMING-UNSIGNED-PAYLOAD-TRAILER. */
  readonly signer?: ChunkSigner;
  /** Lower-case names announced by x-amz-trailer; empty where the payload kind has no trailer. */
  readonly trailerNames: readonly string[];
}

type State = 'size' | 'data' | 'data-end' | 'trailer' | 'done';

const LF = 0x0a;
const CR = 0x0d;
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const EXTENSION = ';chunk-signature=';
const TRAILER_SIGNATURE = 'x-amz-trailer-signature';
const HEX_DIGITS_MAX = 16;

export class AwsChunkedDecoder {
  readonly #options: ChunkedOptions;
  readonly #trailers = new Map<string, string>();
  /** The start of a line whose end has not come yet. */
  readonly #line = Buffer.allocUnsafe(LIMITS.chunkLineBytesMax);
  #lineLength = 0;
  #state: State = 'size';
  #total = 0;
  #chunkLeft = 0;
  #chunkSignature = '';
  #hash: Hash | undefined;
  #previous: string;
  #trailerText = '';
  #trailerBytes = 0;
  #trailerVerified = false;
  #afterBareLf = false;
  #surplus = 0;

  constructor(options: ChunkedOptions) {
    this.#options = options;
    this.#previous = options.signer?.signature ?? '';
  }

  /** Trailer values by lower-case name, without the signature; complete once `end()` has returned. */
  get trailers(): ReadonlyMap<string, string> {
    return this.#trailers;
  }

  /**
   * Takes the next piece of the body. `emit` gets views of `chunk`, which stay the caller's.
   *
   * @throws GatewayError InvalidRequest (framing), IncompleteBody (too much data), SignatureDoesNotMatch
   */
  push(chunk: Buffer, emit: (data: Buffer) => void): void {
    let at = 0;
    while (at < chunk.length) at = this.#state === 'data' ? this.#data(chunk, at, emit) : this.#framing(chunk, at);
  }

  /** @throws GatewayError IncompleteBody when the body was cut, InvalidRequest when a trailer is missing */
  end(): void {
    const { decodedLength, signer, trailerNames } = this.#options;
    const onlyLastCrlfMissing = this.#state === 'trailer' && (this.#lineLength === 0 || this.#isLoneCr());
    const trailerDone = this.#trailerVerified || signer === undefined || trailerNames.length === 0;
    if (this.#state !== 'done' && !(onlyLastCrlfMissing && trailerDone))
      throw cut('the aws-chunked body ended in the middle');
    if (this.#total !== decodedLength)
      throw cut(`${this.#total} bytes came where x-amz-decoded-content-length is ${decodedLength}`);
    for (const name of trailerNames) {
      if (!this.#trailers.has(name)) throw framing(`the trailer "${name.slice(0, 80)}" was announced and did not come`);
    }
  }

  #isLoneCr(): boolean {
    return this.#lineLength === 1 && this.#line[0] === CR;
  }

  #framing(chunk: Buffer, from: number): number {
    if (this.#state === 'done') return this.#surplusByte(chunk, from);
    const lf = chunk.indexOf(LF, from);
    const to = lf < 0 ? chunk.length : lf;
    if (this.#lineLength + to - from > LIMITS.chunkLineBytesMax) throw framing('a line is too long');
    if (lf < 0) {
      chunk.copy(this.#line, this.#lineLength, from);
      this.#lineLength += to - from;
      return chunk.length;
    }
    let line = chunk.toString('latin1', from, to);
    if (this.#lineLength > 0) line = this.#line.toString('latin1', 0, this.#lineLength) + line;
    this.#lineLength = 0;
    this.#takeLine(line);
    return lf + 1;
  }

  /** @param line without its LF */
  #takeLine(line: string): void {
    const hasCr = line.endsWith('\r');
    const text = hasCr ? line.slice(0, -1) : line;
    if (this.#state === 'trailer') {
      this.#takeTrailer(text, hasCr);
      return;
    }
    if (!hasCr) throw framing('a line does not end in CRLF');
    if (this.#state === 'size') {
      this.#takeSize(text);
      return;
    }
    if (text.length > 0) throw framing('a chunk is longer than its size');
    this.#state = 'size';
  }

  #takeSize(line: string): void {
    const semicolon = line.indexOf(';');
    const digits = semicolon < 0 ? line : line.slice(0, semicolon);
    const size = parseHex(digits);
    if (size === undefined) throw framing(`"${digits.slice(0, 40)}" is not a chunk size in hex`);
    const extension = semicolon < 0 ? '' : line.slice(semicolon);
    this.#takeExtension(extension);
    if (this.#total + size > this.#options.decodedLength) {
      throw cut(`more than the ${this.#options.decodedLength} bytes of x-amz-decoded-content-length came`);
    }
    this.#total += size;
    this.#chunkLeft = size;
    if (size > 0) {
      this.#state = 'data';
      return;
    }
    this.#verifyChunk(EMPTY_SHA256);
    this.#state = 'trailer';
  }

  #takeExtension(extension: string): void {
    if (this.#options.signer === undefined) {
      if (extension !== '') throw framing('an unsigned chunk has an extension');
      return;
    }
    if (!extension.startsWith(EXTENSION)) throw framing('a chunk has no chunk-signature');
    this.#chunkSignature = extension.slice(EXTENSION.length);
  }

  #data(chunk: Buffer, from: number, emit: (data: Buffer) => void): number {
    const to = Math.min(chunk.length, from + this.#chunkLeft);
    const whole = from === 0 && to === chunk.length;
    const data = whole ? chunk : chunk.subarray(from, to);
    this.#chunkLeft -= data.length;
    if (this.#options.signer !== undefined) this.#digest(data);
    if (this.#chunkLeft === 0) this.#state = 'data-end';
    emit(data);
    return to;
  }

  /** One call hashes a chunk that came in one piece; other chunks need a hash that is fed. */
  #digest(data: Buffer): void {
    const isLast = this.#chunkLeft === 0;
    if (isLast && this.#hash === undefined) {
      this.#verifyChunk(hash('sha256', data));
      return;
    }
    this.#hash ??= createHash('sha256');
    this.#hash.update(data);
    if (!isLast) return;
    const digest = this.#hash.digest('hex');
    this.#hash = undefined;
    this.#verifyChunk(digest);
  }

  #verifyChunk(dataSha256: string): void {
    const { signer } = this.#options;
    if (signer === undefined) return;
    const { date, scope } = signer;
    const message = `AWS4-HMAC-SHA256-PAYLOAD\n${date}\n${scope}\n${this.#previous}\n${EMPTY_SHA256}\n${dataSha256}`;
    this.#advance(signer.signingKey, message, this.#chunkSignature, 'a chunk');
  }

  #advance(key: SigningKey, message: string, signature: string, what: string): void {
    if (!key.matches(message, signature)) {
      throw new GatewayError('SignatureDoesNotMatch', `The signature of ${what} of the body does not match.`);
    }
    this.#previous = signature;
  }

  #takeTrailer(line: string, hasCr: boolean): void {
    const isSigned = this.#options.signer !== undefined && this.#options.trailerNames.length > 0;
    if (line.length === 0) {
      const beforeSignature = isSigned && !this.#trailerVerified;
      if (beforeSignature && !this.#afterBareLf) throw framing(`the trailer has no ${TRAILER_SIGNATURE}`);
      if (!hasCr) throw framing('the last line does not end in CRLF');
      this.#afterBareLf = false;
      if (!beforeSignature) this.#state = 'done';
      return;
    }
    this.#trailerBytes += line.length + 1;
    if (this.#trailerBytes > LIMITS.chunkTrailerBytesMax) throw framing('the trailer is too long');
    if (this.#trailerVerified) throw framing('a trailer follows the signature of the trailer');
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    const value = line.slice(colon + 1);
    if (isSigned && name === TRAILER_SIGNATURE) this.#verifyTrailer(value);
    else this.#addTrailer(name, value);
    this.#afterBareLf = !hasCr;
  }

  #addTrailer(rawName: string, rawValue: string): void {
    const { signer, trailerNames } = this.#options;
    // Signed trailers count as they were signed, to the letter; unsigned ones are read like header lines.
    const name = signer === undefined ? rawName.toLowerCase() : rawName;
    const value = signer === undefined ? rawValue.trim() : rawValue;
    if (!trailerNames.includes(name))
      throw framing(`the trailer "${name.slice(0, 80)}" was not announced by x-amz-trailer`);
    if (this.#trailers.has(name)) throw framing(`the trailer "${name}" came twice`);
    this.#trailers.set(name, value);
    this.#trailerText += `${name}:${value}\n`;
  }

  #verifyTrailer(signature: string): void {
    const { signer } = this.#options;
    if (signer === undefined) return;
    const digest = hash('sha256', Buffer.from(this.#trailerText, 'latin1'));
    const message = `AWS4-HMAC-SHA256-TRAILER\n${signer.date}\n${signer.scope}\n${this.#previous}\n${digest}`;
    this.#advance(signer.signingKey, message, signature, 'the trailer');
    this.#trailerVerified = true;
  }

  #surplusByte(chunk: Buffer, at: number): number {
    const expected = this.#surplus === 0 ? CR : LF;
    if (this.#surplus > 1 || chunk[at] !== expected) throw framing('bytes follow the end of the aws-chunked body');
    this.#surplus += 1;
    return at + 1;
  }
}

function framing(why: string): GatewayError {
  return new GatewayError('InvalidRequest', `The aws-chunked body is malformed: ${why}.`);
}

function cut(why: string): GatewayError {
  return new GatewayError('IncompleteBody', `The body is not what was announced: ${why}.`);
}

function parseHex(digits: string): number | undefined {
  if (digits.length === 0 || digits.length > HEX_DIGITS_MAX) return undefined;
  let value = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const code = digits.charCodeAt(i);
    const lower = code | 0x20;
    if (code >= 0x30 && code <= 0x39) value = value * 16 + code - 0x30;
    else if (lower >= 0x61 && lower <= 0x66) value = value * 16 + lower - 0x57;
    else return undefined;
  }
  return value;
}
