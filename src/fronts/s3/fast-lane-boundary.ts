// HOT PATH (bench/put.ts: every chunk of a connection that node:http serves)
/**
 * Whether node:http stands between two requests, told from what it was fed and what it made of it. Promises: `reached` is true only
 * when its parser has consumed whole requests and not one byte of a next one; where that cannot be proven it is false, and the
 * connection stays with node:http for one more request.
 *
 * Hardest decision: two proofs and no second parser. Every request that began is complete, so the parser is in no body; then
 * - the bytes end in an empty line. They are no part of a head, because an empty line would have ended it and begun a request.
 * - or they are as many as the head up to the first empty line and the Content-Length of the request. It cannot end further on, since
 *   it is complete, nor earlier: blank lines before it, and requests before it, only make this sum too small.
 */

const HEAD_END = Buffer.from('\r\n\r\n');

/** What is asked of an `IncomingMessage`. */
export interface BegunRequest {
  readonly complete: boolean;
  readonly headers: { readonly 'content-length'?: string | undefined };
}

export class HttpBoundary {
  #bytes = 0;
  /** Length of the first head; 0 when its end was not in the first chunk. */
  #headBytes = 0;
  #endsBlank = false;
  #last: BegunRequest | undefined;

  /** Bytes that node:http gets next. */
  feed(chunk: Buffer): void {
    if (this.#bytes === 0) this.#headBytes = chunk.indexOf(HEAD_END) + HEAD_END.length;
    if (this.#headBytes < HEAD_END.length) this.#headBytes = 0;
    this.#bytes += chunk.length;
    this.#endsBlank = endsInBlankLine(chunk);
  }

  /** node:http has read a head. */
  begin(request: BegunRequest): void {
    this.#last = request;
  }

  get reached(): boolean {
    if (this.#last?.complete !== true) return false;
    if (this.#endsBlank) return true;
    if (this.#headBytes === 0) return false;
    return this.#bytes === this.#headBytes + Number(this.#last.headers['content-length']);
  }

  /** From here on the bytes are of new requests. */
  restart(): void {
    this.#bytes = 0;
    this.#headBytes = 0;
    this.#endsBlank = false;
    this.#last = undefined;
  }
}

/** Of one chunk: an empty line that is cut over two is as good as none. */
function endsInBlankLine(chunk: Buffer): boolean {
  const end = chunk.length;
  return (
    end >= 4 && chunk[end - 1] === 0x0a && chunk[end - 2] === 0x0d && chunk[end - 3] === 0x0a && chunk[end - 4] === 0x0d
  );
}
