/**
 * One keep-alive connection to an S3 front, over which requests go one at a time. Less than a client library, so that thousands of them cost
 * the load's core little. Promises: every exchange ends: in an answer, or in an error when none comes or when the server is silent for 30 s. A
 * body that breaks off is an answer with as many bytes as came.
 */
import { type Answer, AnswerReader } from './answer-reader.ts';
import { type Address, openWire, type Wire, type WireOptions } from './wire.ts';

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export class KeptConnection {
  readonly #reader = new AnswerReader();
  #wire: Wire | undefined;
  #waiting: Waiting | undefined;
  #isOpen = true;
  #exchanges = 0;
  #mayHaveBeenIdle = false;
  #receivedBytes = 0;

  /** @throws Error of the system when it cannot connect */
  static async open(address: Address, options: WireOptions = {}): Promise<KeptConnection> {
    const connection = new KeptConnection();
    const take = (chunk: Buffer): void => connection.#take(chunk);
    const lost = (error: Error): void => connection.#lose(error);
    const silent = (): void => connection.#giveUp();
    connection.#wire = await openWire(address, { take, lost, silent }, options);
    return connection;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** The server may have closed it in the moment of this request: it was used before, and nothing of an answer came. */
  get mayHaveBeenIdle(): boolean {
    return this.#mayHaveBeenIdle;
  }

  /** @param head up to and with the empty line @throws Error when no answer comes */
  exchange(head: string | Buffer, body?: Buffer): Promise<Answer> {
    if (!this.#isOpen) return Promise.reject(new Error('the connection is closed'));
    this.#exchanges += 1;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#wire?.write(head, body);
    });
  }

  close(): void {
    this.#fail(new Error('closed here'));
  }

  #take(chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    try {
      const answer = this.#reader.take(chunk);
      if (answer === undefined) return;
      const waiting = this.#settle();
      if (!answer.isReusable) this.#fail(new Error('the server wants no further request'));
      waiting?.resolve(answer);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #settle(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }

  #giveUp(): void {
    if (this.#waiting !== undefined) this.#fail(new Error('no answer within 30 s'));
  }

  #lose(error: Error): void {
    if (this.#isOpen) this.#mayHaveBeenIdle = this.#exchanges > 1 && this.#reader.isEmpty;
    const answer = this.#reader.cutOff();
    if (answer !== undefined) this.#settle()?.resolve(answer);
    this.#fail(error);
  }

  #fail(error: Error): void {
    this.#isOpen = false;
    this.#wire?.close();
    this.#settle()?.reject(error);
  }
}
