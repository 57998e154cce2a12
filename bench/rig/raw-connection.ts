/**
 * One keep-alive connection that sends requests as they are given, one at a time, and reads answers with a Content-Length. Less
 * than a client library, so that the load generator costs little of the machine that it shares with the server.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly body: Buffer;
}

const NO_BYTES = Buffer.alloc(0);
const HEAD_END = Buffer.from('\r\n\r\n');

/** Splits the first whole answer off; `undefined` while some of it is missing. Pure. */
export function takeAnswer(bytes: Buffer): { readonly answer: RawAnswer; readonly rest: Buffer } | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  const start = headEnd + HEAD_END.length;
  if (bytes.length < start + length) return undefined;
  const answer = { status: Number(head.slice(9, 12)), body: bytes.subarray(start, start + length) };
  return { answer, rest: bytes.subarray(start + length) };
}

export class RawConnection {
  readonly #socket: Socket;
  #bytes: Buffer = NO_BYTES;
  #waiting: { resolve: (answer: RawAnswer) => void; reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ host: '127.0.0.1', port });
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  /** @param head up to and with the empty line */
  exchange(head: string, body?: Buffer): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.cork();
      this.#socket.write(head, 'latin1');
      if (body !== undefined) this.#socket.write(body);
      this.#socket.uncork();
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const taken = takeAnswer(this.#bytes);
    if (taken === undefined) return;
    this.#bytes = taken.rest;
    this.#waiting?.resolve(taken.answer);
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
