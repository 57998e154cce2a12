/**
 * One kept HTTP/1.1 connection with one request at a time, whose answers are judged as they come and not kept. Costs less than any client
 * library, since the load generator shares the machine with what it loads. Promises: an answer without a length, or after which the
 * connection is gone, rejects.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { crc32Of } from '../../src/format/crc32.ts';

export interface Answer {
  readonly status: number;
  readonly bytes: number;
  readonly crc32: number;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

const HEAD_END = '\r\n\r\n';
const HEAD_BYTES_MAX = 16 * 1024;
const NO_BYTES = Buffer.alloc(0);

export class KeptConnection {
  readonly #socket: Socket;
  #waiting: Waiting | undefined;
  /** Of the head, while it is not whole. */
  #head: Buffer = NO_BYTES;
  #status = 0;
  /** Of the body, that are still to come; below 0: the head is not whole. */
  #left = -1;
  #bytes = 0;
  #crc32 = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  static async open({ protocol, hostname, port }: URL): Promise<KeptConnection> {
    const isTls = protocol === 'https:';
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const to = { host, port: Number(port || (isTls ? 443 : 80)) };
    const socket = isTls ? connectTls({ ...to, servername: host }) : connect(to);
    await once(socket, isTls ? 'secureConnect' : 'connect');
    return new KeptConnection(socket);
  }

  /** @param head up to and with the empty line */
  exchange(head: string | Buffer, body?: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#left = -1;
      if (body === undefined) {
        this.#socket.write(head);
        return;
      }
      this.#socket.cork();
      this.#socket.write(head);
      this.#socket.write(body);
      this.#socket.uncork();
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    const body = this.#left < 0 ? this.#takeHead(chunk) : chunk;
    if (body === undefined) return;
    this.#bytes += body.length;
    this.#left -= body.length;
    if (body.length > 0) this.#crc32 = crc32Of(body, this.#crc32);
    if (this.#left > 0) return;
    const { resolve } = this.#waiting ?? {};
    this.#waiting = undefined;
    resolve?.({ status: this.#status, bytes: this.#bytes, crc32: this.#crc32 });
  }

  /** @returns what of the body came with it; `undefined` while it is not whole, or when it cannot be */
  #takeHead(chunk: Buffer): Buffer | undefined {
    const bytes = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) {
      this.#head = bytes;
      if (bytes.length > HEAD_BYTES_MAX) this.#refuse('sent a head without an end');
      return undefined;
    }
    this.#head = NO_BYTES;
    const text = bytes.toString('latin1', 0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
    if (length === undefined) {
      this.#refuse('sent an answer without a length');
      return undefined;
    }
    this.#status = Number(text.slice(9, 12));
    [this.#left, this.#bytes, this.#crc32] = [Number(length), 0, 0];
    return bytes.subarray(end + HEAD_END.length);
  }

  #refuse(what: string): void {
    this.#fail(new Error(`the server ${what}`));
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
