/**
 * A batch by S3 GETs on one keep-alive connection, one after the other, as a reader worker of a data loader does it. Every body is checked by
 * CRC-32 as it arrives and never held.
 *
 * Hardest decision: requests are signed once for each object and sent again in later epochs while the signature is young: signing costs
 * about as much as reading a small object, and no client of training signs in the process whose CPU is watched here.
 */
import { signHeaders } from '../../src/format/sigv4-sign.ts';
import type { Answer } from '../suite/answer-reader.ts';
import { KeptConnection } from '../suite/kept-connection.ts';
import type { Credentials } from '../suite/target.ts';
import { type Address, addressOf, WIRE_BUFFER_BYTES } from '../suite/wire.ts';
import { addFault, type BatchReader, type Expected, type Tally } from './outcome.ts';

const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
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

export class GetReader implements BatchReader {
  readonly #address: Address;
  readonly #gets: SignedGets;
  readonly #expected: Expected;
  readonly #tally: Tally;
  readonly #into = Buffer.allocUnsafeSlow(WIRE_BUFFER_BYTES);
  #connection: KeptConnection | undefined;
  #isClosed = false;

  constructor(options: {
    readonly endpoint: URL;
    readonly gets: SignedGets;
    readonly expected: Expected;
    readonly tally: Tally;
  }) {
    this.#address = addressOf(options.endpoint);
    this.#gets = options.gets;
    this.#expected = options.expected;
    this.#tally = options.tally;
  }

  async read(batch: Uint32Array): Promise<void> {
    for (const position of batch) {
      const key = this.#expected.keyOf(position);
      try {
        const connection = await this.#open();
        this.#count(position, await connection.exchange(this.#gets.of(position, key)));
      } catch (error) {
        addFault(this.#tally, 'broken', 1, `GET ${key}: ${(error as Error).message}`);
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  /** A new one where the last is gone. */
  async #open(): Promise<KeptConnection> {
    if (this.#connection?.isOpen === true) return this.#connection;
    if (this.#isClosed) throw new Error(CLOSED);
    this.#connection = await KeptConnection.open(this.#address, { into: this.#into });
    if (this.#isClosed) this.#connection.close();
    return this.#connection;
  }

  #count(position: number, { status, bytes, crc32 }: Answer): void {
    const [tally, expected] = [this.#tally, this.#expected];
    const about = (): string => `GET ${expected.keyOf(position)}`;
    if (status !== 200) addFault(tally, 'refused', 1, `${about()} was answered with ${status}`);
    else if (bytes !== expected.sizeOf(position)) addFault(tally, 'short', 1, `${about()} brought ${bytes} bytes`);
    else if (crc32 !== expected.crcOf(position)) addFault(tally, 'wrong', 1, `${about()} brought other bytes`);
    else {
      tally.objects += 1;
      tally.bytes += bytes;
    }
  }
}
