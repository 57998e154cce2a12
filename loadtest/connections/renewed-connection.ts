/** A connection of a soak, which lasts longer than servers keep one: closed for being idle, it is no error. */
import type { Answer } from '../suite/answer-reader.ts';
import { KeptConnection } from '../suite/kept-connection.ts';
import type { Address } from '../suite/wire.ts';

/** A place for a connection, which is opened when it is needed and again after it was closed. */
export class RenewedConnection {
  readonly #address: Address;
  #connection: KeptConnection | undefined;
  #opened = 0;

  constructor(address: Address) {
    this.#address = address;
  }

  /** How often it was opened again. */
  get renewals(): number {
    return Math.max(0, this.#opened - 1);
  }

  /** What may have met a connection that the server closed for being idle is sent once more: only requests that may be sent twice. */
  async exchange(head: string | Buffer, body?: Buffer): Promise<Answer> {
    const connection = await this.#open();
    try {
      return await connection.exchange(head, body);
    } catch (error) {
      if (!connection.mayHaveBeenIdle) throw error;
      return (await this.#open()).exchange(head, body);
    }
  }

  close(): void {
    this.#connection?.close();
  }

  async #open(): Promise<KeptConnection> {
    if (this.#connection?.isOpen === true) return this.#connection;
    this.#opened += 1;
    this.#connection = await KeptConnection.open(this.#address);
    return this.#connection;
  }
}
