// HOT PATH: `take` sees every chunk of every object that is read over a kept connection.
/**
 * Reads the answers of one HTTP/1.1 connection on which one request is under way at a time. Promises: an answer comes out when it is whole,
 * however it was cut; nothing of the next is read into it; no body is held, only its length, its CRC-32 and the beginning of what an error says.
 *
 * Hardest decision: bodies have a Content-Length or none, since every S3 store sends GETs so. An answer in chunks, as some send their
 * errors, comes out without its body and says that the connection cannot be used again.
 */
import { crc32Of } from '../../src/format/crc32.ts';

export interface Answer {
  readonly status: number;
  /** That came of the body. */
  readonly bytes: number;
  readonly crc32: number;
  /** Of an error: the beginning of its body. */
  readonly text: string;
  /** The connection can take the next request. */
  readonly isReusable: boolean;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const HEAD_BYTES_MAX = 64 * 1024;
const TEXT_CHARS_MAX = 1000;
const NO_BYTES = Buffer.alloc(0);

export class AnswerReader {
  /** Of the head, while it is not whole. */
  #head: Buffer = NO_BYTES;
  /** Bytes of the body that are still to come; -1: the head is not whole. */
  #left = -1;
  #status = 0;
  #bytes = 0;
  #crc32 = 0;
  #text = '';
  #isReusable = true;

  /** Nothing of an answer has come. */
  get isEmpty(): boolean {
    return this.#left < 0 && this.#head.length === 0;
  }

  /**
   * @param chunk only lent
   * @returns the answer that this chunk completes
   * @throws Error for what is no answer, or is more than one
   */
  take(chunk: Buffer): Answer | undefined {
    const rest = this.#left < 0 ? this.#takeHead(chunk) : chunk;
    if (rest === undefined) return undefined;
    if (rest.length > this.#left && this.#isReusable) throw new Error('the server sent more than one answer');
    const body = rest.length > this.#left ? rest.subarray(0, this.#left) : rest;
    if (body.length > 0) {
      this.#left -= body.length;
      this.#bytes += body.length;
      this.#crc32 = crc32Of(body, this.#crc32);
      if (this.#status >= 400 && this.#text.length < TEXT_CHARS_MAX)
        this.#text += body.toString('latin1', 0, TEXT_CHARS_MAX - this.#text.length);
    }
    return this.#left === 0 ? this.#end() : undefined;
  }

  /** The connection is gone. @returns the answer within whose body it went */
  cutOff(): Answer | undefined {
    if (this.#left <= 0) return undefined;
    this.#isReusable = false;
    return this.#end();
  }

  #end(): Answer {
    this.#left = -1;
    return {
      status: this.#status,
      bytes: this.#bytes,
      crc32: this.#crc32,
      text: this.#text,
      isReusable: this.#isReusable,
    };
  }

  /** @returns what of the body came with it; `undefined` while it is not whole */
  #takeHead(chunk: Buffer): Buffer | undefined {
    const bytes = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) {
      if (bytes.length > HEAD_BYTES_MAX) throw new Error('the server sent a head without an end');
      this.#head = Buffer.from(bytes); // `chunk` is only lent
      return undefined;
    }
    this.#head = NO_BYTES;
    const text = bytes.toString('latin1', 0, end + 2);
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? Number.NaN);
    if (Number.isNaN(status)) throw new Error(`the server sent no HTTP: ${text.slice(0, 40)}`);
    const isBodyless = status === 204 || status === 304;
    const length = isBodyless ? '0' : /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
    this.#status = status;
    this.#isReusable = length !== undefined && !/\r\nconnection: *close/i.test(text);
    this.#left = Number(length ?? 0);
    this.#bytes = 0;
    this.#crc32 = 0;
    this.#text = '';
    return bytes.subarray(end + HEAD_END.length);
  }
}
