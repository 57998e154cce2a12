/**
 * One keep-alive connection to an S3 front, over which requests go one at a time. Less than a client library, so that thousands of them cost
 * the load's core little. Promises: every exchange ends, in an answer or an error, within its time.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Answer, AnswerReader } from './answer-reader.ts';
import type { Route } from './route.ts';

export const EXCHANGE_MS_MAX = 30_000;

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class KeptConnection {
  readonly #socket: Socket;
  readonly #reader = new AnswerReader();
  #waiting: Waiting | undefined;
  #isOpen = true;
  #exchanges = 0;
  #mayHaveBeenIdle = false;
  #receivedBytes = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#lose(error));
    socket.on('close', () => this.#lose(new Error('the server closed the connection')));
  }

  /** @param source address of this machine to come from */
  static open({ host, port, isTls }: Route, source?: string): Promise<KeptConnection> {
    const options = { host, port, noDelay: true, ...(source === undefined ? {} : { localAddress: source }) };
    return new Promise((resolve, reject) => {
      const socket = isTls ? connectTls({ ...options, servername: host }) : connect(options);
      const timer = setTimeout(() => socket.destroy(new Error('no connection within 30 s')), EXCHANGE_MS_MAX);
      const fail = (error: Error): void => {
        clearTimeout(timer);
        reject(error);
      };
      socket.once('error', fail);
      socket.once(isTls ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        socket.off('error', fail);
        resolve(new KeptConnection(socket));
      });
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** A request is under way. */
  get isBusy(): boolean {
    return this.#waiting !== undefined;
  }

  /** The server may have closed it in the moment of this request: it was used before, and nothing of an answer came. */
  get mayHaveBeenIdle(): boolean {
    return this.#mayHaveBeenIdle;
  }

  /** @param head up to and with the empty line @throws Error when no whole answer comes */
  exchange(head: string, body?: Buffer): Promise<Answer> {
    if (!this.#isOpen) return Promise.reject(new Error('the connection is closed'));
    this.#exchanges += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new Error('no answer within 30 s')), EXCHANGE_MS_MAX);
      this.#waiting = { resolve, reject, timer };
      this.#socket.cork();
      this.#socket.write(head, 'latin1');
      if (body !== undefined) this.#socket.write(body);
      this.#socket.uncork();
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
    clearTimeout(waiting?.timer);
    return waiting;
  }

  #lose(error: Error): void {
    if (this.#isOpen) this.#mayHaveBeenIdle = this.#exchanges > 1 && this.#reader.isEmpty;
    this.#fail(error);
  }

  #fail(error: Error): void {
    this.#isOpen = false;
    this.#socket.destroy();
    this.#settle()?.reject(error);
  }
}

/** A place for a connection, which is opened when it is needed and again after it was closed. */
export class RenewedConnection {
  readonly #route: Route;
  #connection: KeptConnection | undefined;
  #opened = 0;

  constructor(route: Route) {
    this.#route = route;
  }

  /** How often it was opened again. */
  get renewals(): number {
    return Math.max(0, this.#opened - 1);
  }

  /** What may have met a connection that the server closed for being idle is sent once more: only requests that may be sent twice. */
  async exchange(head: string, body?: Buffer): Promise<Answer> {
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
    this.#connection = await KeptConnection.open(this.#route);
    return this.#connection;
  }
}
