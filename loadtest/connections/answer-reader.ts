/**
 * Reads the answers of one HTTP/1.1 connection on which one request is under way at a time. Promises: an answer comes out when it is whole,
 * however it was cut; nothing of the next is read into it.
 *
 * Hardest decision: bodies have a Content-Length or none, since every S3 store sends GETs so. An answer in chunks, as some send their
 * errors, comes out without its body and says that the connection cannot be used again.
 */

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
  /** The connection can take the next request. */
  readonly isReusable: boolean;
}

interface Head {
  readonly status: number;
  readonly bodyAt: number;
  /** Of the whole answer. */
  readonly end: number;
  readonly isReusable: boolean;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const HEAD_BYTES_MAX = 64 * 1024;

export class AnswerReader {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #head: Head | undefined;

  /** Nothing of an answer has come. */
  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** @returns the answer that this chunk completes @throws Error for what is no answer, or is more than one */
  take(chunk: Buffer): Answer | undefined {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#head ??= this.#readHead();
    const head = this.#head;
    if (head === undefined || this.#bytes < head.end) return undefined;
    if (this.#bytes > head.end && head.isReusable) throw new Error('the server sent more than one answer');
    const all = this.#joined();
    this.#chunks = [];
    this.#bytes = 0;
    this.#head = undefined;
    return { status: head.status, body: all.subarray(head.bodyAt, head.end), isReusable: head.isReusable };
  }

  #joined(): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks = [all];
    return all;
  }

  #readHead(): Head | undefined {
    const bytes = this.#joined();
    const bodyAt = bytes.indexOf(HEAD_END) + HEAD_END.length;
    if (bodyAt < HEAD_END.length) {
      if (bytes.length > HEAD_BYTES_MAX) throw new Error('the server sent a head without an end');
      return undefined;
    }
    const text = bytes.toString('latin1', 0, bodyAt);
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? Number.NaN);
    if (Number.isNaN(status)) throw new Error(`the server sent no HTTP: ${text.slice(0, 40)}`);
    const isBodyless = status === 204 || status === 304;
    const length = isBodyless ? '0' : /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
    const isReusable = length !== undefined && !/\r\nconnection: *close/i.test(text);
    return { status, bodyAt, end: bodyAt + Number(length ?? 0), isReusable };
  }
}
