// HOT PATH: `take` sees every chunk of every object (npm run loadtest -- training --by s3).
/**
 * A batch by S3 GETs on one keep-alive connection, one after the other, as a reader worker of a data loader does it. Every body is checked by
 * CRC-32 as it arrives and never held.
 *
 * Hardest decision: requests are signed once for each object and sent again in later epochs while the signature is young: signing costs
 * about as much as reading a small object, and no client of training signs in the process whose CPU is watched here.
 */
import { crc32Of } from '../../src/format/crc32.ts';
import { signHeaders } from '../../src/format/sigv4-sign.ts';
import type { Credentials } from '../suite/target.ts';
import { addFault, type BatchReader, type Expected, type Tally } from './outcome.ts';
import { openWire, type Wire } from './wire.ts';

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const HEAD_END = Buffer.from('\r\n\r\n');
const HEAD_BYTES_MAX = 64 * 1024;
const NO_BYTES = Buffer.alloc(0);
const CLOSED = 'the reader was closed';
/** Servers take signatures of fifteen minutes. */
const SIGNATURE_MS = 10 * 60_000;
const SIGNED_MAX = 50_000;

/** Heads of GETs, ready for the wire; shared by all readers of a process. */
export class SignedGets {
  readonly #heads = new Map<number, { readonly bytes: Buffer; readonly untilMs: number }>();
  readonly #options: { readonly endpoint: URL; readonly bucket: string; readonly credentials: Credentials };

  constructor(options: { readonly endpoint: URL; readonly bucket: string; readonly credentials: Credentials }) {
    this.#options = options;
  }

  of(position: number, key: string, nowMs = Date.now()): Buffer {
    const known = this.#heads.get(position);
    if (known !== undefined && known.untilMs > nowMs) return known.bytes;
    const bytes = this.#sign(key, nowMs);
    if (this.#heads.size < SIGNED_MAX || known !== undefined) {
      this.#heads.set(position, { bytes, untilMs: nowMs + SIGNATURE_MS });
    }
    return bytes;
  }

  #sign(key: string, nowMs: number): Buffer {
    const { endpoint, bucket, credentials } = this.#options;
    const { accessKeyId, secretKey: secret, region } = credentials;
    const target = `/${bucket}/${key}`;
    const request = { method: 'GET', target, headers: { host: endpoint.host }, payload: EMPTY_SHA256, nowMs };
    const headers = signHeaders(request, { accessKeyId, secret, region });
    const lines = Object.entries({ ...headers, 'accept-encoding': 'identity' }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    return Buffer.from(`GET ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
  }
}

/** Of an answer: status, and bytes of its body; NaN without a Content-Length. Pure. */
export function headOf(text: string): { readonly status: number; readonly length: number; readonly isLast: boolean } {
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
  return {
    status: Number(text.slice(9, 12)),
    length: length === undefined ? Number.NaN : Number(length),
    isLast: /\r\nconnection: *close/i.test(text),
  };
}

interface Answer {
  readonly status: number;
  readonly bytes: number;
  readonly crc: number;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export class GetReader implements BatchReader {
  readonly #endpoint: URL;
  readonly #gets: SignedGets;
  readonly #expected: Expected;
  readonly #tally: Tally;
  #wire: Wire | undefined;
  #waiting: Waiting | undefined;
  #head = NO_BYTES;
  /** Bytes of the body that are still to come; -1: the head is. */
  #left = -1;
  #status = 0;
  #length = 0;
  #crc = 0;
  #isLast = false;
  #isClosed = false;

  constructor(options: {
    readonly endpoint: URL;
    readonly gets: SignedGets;
    readonly expected: Expected;
    readonly tally: Tally;
  }) {
    this.#endpoint = options.endpoint;
    this.#gets = options.gets;
    this.#expected = options.expected;
    this.#tally = options.tally;
  }

  async read(batch: Uint32Array): Promise<void> {
    for (const position of batch) {
      try {
        this.#count(position, await this.#get(position));
      } catch (error) {
        addFault(this.#tally, 'broken', 1, `GET ${this.#expected.keyOf(position)}: ${(error as Error).message}`);
        this.#drop();
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  #drop(): void {
    this.#wire?.close();
    this.#wire = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(new Error(CLOSED));
  }

  async #get(position: number): Promise<Answer> {
    this.#wire ??= await openWire(this.#endpoint, {
      take: (bytes) => this.#take(bytes),
      lost: (error) => this.#lose(error),
    });
    if (this.#isClosed) throw new Error(CLOSED);
    this.#head = NO_BYTES;
    this.#left = -1;
    this.#crc = 0;
    return new Promise<Answer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#wire?.write(this.#gets.of(position, this.#expected.keyOf(position)));
    });
  }

  #count(position: number, { status, bytes, crc }: Answer): void {
    const [tally, expected] = [this.#tally, this.#expected];
    const about = (): string => `GET ${expected.keyOf(position)}`;
    if (status !== 200) addFault(tally, 'refused', 1, `${about()} was answered with ${status}`);
    else if (bytes !== expected.sizeOf(position)) addFault(tally, 'short', 1, `${about()} brought ${bytes} bytes`);
    else if (crc !== expected.crcOf(position)) addFault(tally, 'wrong', 1, `${about()} brought other bytes`);
    else {
      tally.objects += 1;
      tally.bytes += bytes;
    }
  }

  #lose(error: Error): void {
    this.#wire = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    // A body that breaks off is a short one.
    if (this.#left > 0) waiting?.resolve({ status: this.#status, bytes: this.#length - this.#left, crc: 0 });
    else waiting?.reject(error);
  }

  #take(bytes: Buffer): void {
    let at = 0;
    if (this.#left < 0) {
      at = this.#takeHead(bytes);
      if (at < 0) return;
    }
    const body = at === 0 ? bytes : bytes.subarray(at);
    if (body.length > this.#left) {
      this.#fail(new Error('the server sent more than it had announced'));
      return;
    }
    if (body.length > 0) this.#crc = crc32Of(body, this.#crc);
    this.#left -= body.length;
    if (this.#left === 0) this.#finish();
  }

  /** @returns where the body begins in these bytes; -1 while the head is not whole */
  #takeHead(bytes: Buffer): number {
    const before = this.#head.length;
    const head = before === 0 ? bytes : Buffer.concat([this.#head, bytes]);
    const end = head.indexOf(HEAD_END);
    if (end < 0) {
      if (head.length > HEAD_BYTES_MAX) this.#fail(new Error('the head of an answer does not end'));
      else this.#head = Buffer.from(head); // `bytes` are only lent
      return -1;
    }
    const { status, length, isLast } = headOf(head.toString('latin1', 0, end + 2));
    if (Number.isNaN(length)) {
      this.#fail(new Error(`an answer with status ${status} and no Content-Length`));
      return -1;
    }
    this.#status = status;
    this.#length = length;
    this.#left = length;
    this.#isLast = isLast;
    return end + HEAD_END.length - before;
  }

  #finish(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (this.#isLast) {
      this.#wire?.close();
      this.#wire = undefined;
    }
    waiting?.resolve({ status: this.#status, bytes: this.#length, crc: this.#crc >>> 0 });
  }

  #fail(error: Error): void {
    this.#wire?.close();
    this.#lose(error);
  }
}
