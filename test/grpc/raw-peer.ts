/**
 * HTTP/2 frames by hand, for what no client sends: https://www.rfc-editor.org/rfc/rfc9113 and, for headers, the simplest form of
 * https://www.rfc-editor.org/rfc/rfc7541 (literals without an index).
 */
import type { Socket } from 'node:net';

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;
export const ACK = 1;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const HEAD_BYTES = 9;

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([0, id]), uint32(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length: number[] = [127];
  let rest = bytes.length - 127;
  for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(Object.entries(headers).flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

export function callBlock(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  return headerBlock({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  });
}

/** A connection that says what it is told to say, and keeps what it hears. */
export class RawPeer {
  readonly socket: Socket;
  readonly heard: RawFrame[] = [];
  readonly closed: Promise<void>;
  #rest: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve();
        this.#wake?.();
      });
    });
    socket.on('data', (piece: Buffer) => this.#take(piece));
  }

  #take(piece: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, piece]);
    while (this.#rest.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) break;
      const [type, flags] = [this.#rest[3] as number, this.#rest[4] as number];
      const stream = this.#rest.readUInt32BE(5);
      this.heard.push({ type, flags, stream, payload: this.#rest.subarray(HEAD_BYTES, end) });
      this.#rest = this.#rest.subarray(end);
    }
    this.#wake?.();
  }

  /** @param settings of the client, each from `setting` */
  hello(...settings: readonly Buffer[]): this {
    this.socket.write(PREFACE);
    return this.say(frame(FRAME.settings, 0, 0, Buffer.concat(settings)));
  }

  say(...frames: readonly Buffer[]): this {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
    return this;
  }

  /** Opens a call: headers only. */
  open(stream: number, path: string, more: Readonly<Record<string, string>> = {}): this {
    return this.say(frame(FRAME.headers, END_HEADERS, stream, callBlock(path, more)));
  }

  /** The first frame for which `test` holds, `undefined` when the connection ends without one. */
  async hears(test: (heard: RawFrame) => boolean): Promise<RawFrame | undefined> {
    for (;;) {
      const found = this.heard.find(test);
      if (found !== undefined || this.socket.destroyed) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Everything that was said so far has been read and answered, as a PING behind it shows. */
  async settled(): Promise<void> {
    const mark = Buffer.from(`${this.heard.length}`.padStart(8));
    this.say(frame(FRAME.ping, 0, 0, mark));
    await this.hears(({ type, flags, payload }) => type === FRAME.ping && flags === ACK && payload.equals(mark));
  }

  /** What was said has left, or cannot. */
  async drained(): Promise<void> {
    if (!this.socket.writableNeedDrain) return;
    await Promise.race([new Promise((drained) => this.socket.once('drain', drained)), this.closed]);
  }
}
