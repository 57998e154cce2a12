/**
 * Reads the multipart/form-data body of a browser upload: fields, then one file, which is streamed without copying.
 *
 * Promises: what comes before the file's bytes is bounded and complete before the first of them is handed out; the file ends
 * exactly before its boundary, wherever the network cut the body; `end()` returns only when that boundary came. What follows
 * the file is ignored, as S3 ignores it.
 *
 * Hardest decision: a boundary that is cut between two chunks needs no buffer. Only its first byte is a CR, so the bytes held
 * back are always a prefix of the boundary itself and are handed out from there when they turn out to be data.
 *
 * RFC 7578, RFC 2046 section 5.1; https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
 */
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';

export interface FormFile {
  /** Without folders; empty when the form names none. */
  readonly filename: string;
  /** Content-Type of the part, which is not the object's: that comes from a field. */
  readonly contentType: string | undefined;
}

export interface FormSink {
  /** Once, before the first byte of the file. May throw to refuse the upload. Field names are in lower case. */
  start(fields: ReadonlyMap<string, string>, file: FormFile): void;
  /** A piece of the file: a view that stays the caller's and must not be changed. */
  data(bytes: Buffer): void;
}

interface PartHeaders {
  readonly name: string;
  readonly filename: string | undefined;
  readonly contentType: string | undefined;
}

const CR = 0x0d;
const HEADERS_END = Buffer.from('\r\n\r\n');
const BOUNDARY =
  /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([\w'()+,./:=? -]{1,70})"|([\w'+./-]{1,70}))\s*(?:;.*)?$/i;

function malformed(why: string): GatewayError {
  return new GatewayError('MalformedPOSTRequest', `The form is malformed: ${why}.`);
}

/** @throws GatewayError MalformedPOSTRequest when the header is not multipart/form-data with a boundary of 1 to 70 characters */
export function parseBoundary(contentType: string): string {
  const match = BOUNDARY.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw malformed('Content-Type is not multipart/form-data with a boundary');
  return boundary;
}

export class MultipartFormReader {
  readonly #delimiter: Buffer;
  readonly #fields = new Map<string, string>();
  /** Everything before the file. Begins with a CRLF, so that the first boundary looks like the others. */
  #head = Buffer.from('\r\n');
  #headLength = 2;
  /** Where the search for the next boundary or header end goes on. */
  #from = 0;
  #part: PartHeaders | undefined;
  #headersStart = 0;
  #bodyStart = 0;
  #inHeaders = false;
  #state: 'head' | 'file' | 'after' | 'done' = 'head';
  /** Bytes of the delimiter that ended the last chunk. */
  #matched = 0;
  #afterText = '';

  /** @throws GatewayError MalformedPOSTRequest */
  constructor(contentType: string) {
    this.#delimiter = Buffer.from(`\r\n--${parseBoundary(contentType)}`);
  }

  /**
   * @throws GatewayError MalformedPOSTRequest, MaxMessageLengthExceeded (too much before the file), InvalidArgument (no file, or a
   * field twice), and whatever the sink throws
   */
  push(chunk: Buffer, sink: FormSink): void {
    let at = this.#state === 'head' ? this.#takeHead(chunk, sink) : 0;
    while (at < chunk.length) {
      if (this.#state === 'file') at = this.#takeFile(chunk, at, sink);
      else if (this.#state === 'after') at = this.#takeAfter(chunk, at);
      else return;
    }
  }

  /** @throws GatewayError IncompleteBody when the body ended before the boundary after the file */
  end(): void {
    if (this.#state === 'done') return;
    throw new GatewayError('IncompleteBody', 'The form ended before the boundary that ends its file.');
  }

  /** Returns where in the chunk the file begins, or the chunk's length. */
  #takeHead(chunk: Buffer, sink: FormSink): number {
    const before = this.#headLength;
    const taken = Math.min(chunk.length, LIMITS.formFieldBytesMax - before);
    this.#reserve(before + taken);
    chunk.copy(this.#head, before, 0, taken);
    this.#headLength = before + taken;
    while (this.#state === 'head') {
      const went = this.#inHeaders ? this.#takeHeaders() : this.#takeBoundary();
      if (!went) break;
    }
    if (this.#state === 'head') {
      if (taken === chunk.length) return taken;
      throw new GatewayError(
        'MaxMessageLengthExceeded',
        `The fields before the file exceed ${LIMITS.formFieldBytesMax} bytes.`,
      );
    }
    const { filename = '', contentType } = this.#part ?? {};
    sink.start(this.#fields, { filename, contentType });
    return this.#bodyStart - before;
  }

  #reserve(length: number): void {
    if (length <= this.#head.length) return;
    const grown = Buffer.allocUnsafe(Math.min(LIMITS.formFieldBytesMax, Math.max(length, 2 * this.#head.length)));
    this.#head.copy(grown, 0, 0, this.#headLength);
    this.#head = grown;
  }

  #find(what: Buffer): number {
    const found = this.#head.subarray(0, this.#headLength).indexOf(what, this.#from);
    if (found < 0) this.#from = Math.max(this.#from, this.#headLength - what.length + 1);
    return found;
  }

  /** Ends the field before it. */
  #takeBoundary(): boolean {
    const start = this.#find(this.#delimiter);
    const end = start + this.#delimiter.length;
    if (start < 0 || end + 2 > this.#headLength) return false;
    if (this.#part !== undefined) this.#addField(this.#part.name, this.#head.toString('utf8', this.#bodyStart, start));
    const after = this.#head.toString('latin1', end, end + 2);
    if (after === '--')
      throw new GatewayError('InvalidArgument', 'A POST needs exactly one file, in a last field named "file".');
    if (after !== '\r\n') throw malformed('a boundary is not followed by a line end');
    this.#inHeaders = true;
    this.#from = end;
    this.#headersStart = end;
    return true;
  }

  #addField(name: string, value: string): void {
    const lower = name.toLowerCase();
    if (this.#fields.has(lower))
      throw new GatewayError('InvalidArgument', `The form has the field "${lower.slice(0, 80)}" twice.`);
    this.#fields.set(lower, value);
  }

  #takeHeaders(): boolean {
    const end = this.#find(HEADERS_END);
    if (end < 0) return false;
    this.#part = parsePartHeaders(this.#head.toString('utf8', this.#headersStart, end));
    this.#bodyStart = end + HEADERS_END.length;
    this.#from = this.#bodyStart;
    this.#inHeaders = false;
    if (this.#part.name.toLowerCase() === 'file') this.#state = 'file';
    return true;
  }

  #takeFile(chunk: Buffer, at: number, sink: FormSink): number {
    if (this.#matched > 0) return this.#resume(chunk, at, sink);
    const found = chunk.indexOf(this.#delimiter, at);
    if (found >= 0) {
      if (found > at) sink.data(chunk.subarray(at, found));
      this.#state = 'after';
      return found + this.#delimiter.length;
    }
    const cr = chunk.lastIndexOf(CR);
    const isPrefix =
      cr >= at && chunk.length - cr < this.#delimiter.length && this.#delimiter.indexOf(chunk.subarray(cr)) === 0;
    const end = isPrefix ? cr : chunk.length;
    this.#matched = chunk.length - end;
    if (end > at) sink.data(chunk.subarray(at, end));
    return chunk.length;
  }

  /** Goes on with a delimiter that the end of the last chunk cut, or hands out what looked like one. */
  #resume(chunk: Buffer, at: number, sink: FormSink): number {
    const rest = this.#delimiter.subarray(this.#matched, this.#matched + chunk.length - at);
    const end = at + rest.length;
    if (!rest.equals(chunk.subarray(at, end))) {
      sink.data(this.#delimiter.subarray(0, this.#matched));
      this.#matched = 0;
      return at;
    }
    this.#matched += rest.length;
    if (this.#matched === this.#delimiter.length) this.#state = 'after';
    return end;
  }

  #takeAfter(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + 2 - this.#afterText.length);
    this.#afterText += chunk.toString('latin1', at, end);
    if (this.#afterText.length < 2) return end;
    if (this.#afterText !== '--' && this.#afterText !== '\r\n')
      throw malformed('a boundary is not followed by a line end');
    this.#state = 'done';
    return end;
  }
}

/** @param text header lines, each after a CRLF */
function parsePartHeaders(text: string): PartHeaders {
  let disposition: string | undefined;
  let contentType: string | undefined;
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name === 'content-disposition') disposition = line.slice(colon + 1).trim();
    else if (name === 'content-type') contentType = line.slice(colon + 1).trim();
  }
  if (disposition === undefined || !/^form-data\s*;/i.test(disposition))
    throw malformed('a part has no Content-Disposition: form-data');
  const found = parameters(disposition);
  const name = found.get('name');
  if (name === undefined || name.length === 0) throw malformed('a part has no name');
  const path = found.get('filename');
  return { name, filename: path?.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1), contentType };
}

/** Parameters of a Content-Disposition by lower-case name: quoted, with `\"` as a quote and escapes as browsers write them, or bare. */
function parameters(disposition: string): Map<string, string> {
  const found = new Map<string, string>();
  const next = /\s*;\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/y;
  next.lastIndex = 'form-data'.length;
  for (let match = next.exec(disposition); match !== null; match = next.exec(disposition)) {
    const [, name = '', quoted, bare = ''] = match;
    const value = quoted?.replaceAll('\\"', '"') ?? bare;
    found.set(name.toLowerCase(), value.replace(/%(?:22|0D|0A)/gi, decodeURIComponent));
  }
  return found;
}
