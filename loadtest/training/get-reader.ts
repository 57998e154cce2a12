/**
 * A batch by S3 GETs on one keep-alive connection, one after the other, as a reader worker of a data loader does it. Every body is checked by
 * CRC-32 as it arrives and never held.
 */
import type { Answer } from '../suite/answer-reader.ts';
import { KeptConnection } from '../suite/kept-connection.ts';
import type { SignedGets } from '../suite/request-writer.ts';
import { type Address, addressOf, WIRE_BUFFER_BYTES } from '../suite/wire.ts';
import { addFault, type BatchReader, type Expected, type Tally } from './outcome.ts';

const CLOSED = 'the reader was closed';

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
        this.#count(position, await connection.exchange(this.#gets.of(key)));
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
