// HOT PATH: `take` sees every chunk of every batch (npm run loadtest -- training --by batch).
/**
 * The client's half of HTTP/2 (RFC 9113), as much of it as calls that send one message and read a stream need. Payloads of DATA frames are
 * handed on where they lie, without copies or objects, because this shares its core with the CRC-32 of every byte.
 *
 * Hardest decision: answers' headers are not decoded. Whether a batch is whole is said in its last message, which is as good; for
 * what a refusal says, the target is asked once by the published client before the load begins.
 */

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const PADDED = 8;
const HEAD_BYTES = 9;
const FRAME_BYTES = 16_384;

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const ENABLE_PUSH = 2;
const INITIAL_WINDOW_SIZE = 4;
const DEFAULT_WINDOW_BYTES = 65_535;
/** As large as those of the usual clients are made for such streams: never the limit. */
const STREAM_WINDOW_BYTES = 16 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 64 * 1024 * 1024;

export interface StreamEvents {
  /** Bytes of the answer: `bytes` from `start` to before `end`, lent until it returns. */
  readonly data: (bytes: Buffer, start: number, end: number) => void;
  /** The last that is heard of it. @param error undefined: it ended as streams should */
  readonly end: (error: Error | undefined) => void;
}

interface Stream {
  readonly events: StreamEvents;
  /** Of the request, what flow control has not let go yet. */
  unsent: Buffer;
  sendWindow: number;
  /** Read since the last update of its window. */
  read: number;
}

export class Http2Client {
  readonly #send: (bytes: Buffer) => void;
  readonly #streams = new Map<number, Stream>();
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  #control: Buffer = Buffer.alloc(0);
  #controlBytes = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  #left = 0;
  #read = 0;
  #sendWindow = DEFAULT_WINDOW_BYTES;
  #initialSendWindow = DEFAULT_WINDOW_BYTES;
  #nextId = 1;
  #isGoingAway = false;

  /** @param send writes to the connection */
  constructor(send: (bytes: Buffer) => void) {
    this.#send = send;
    const settings = Buffer.alloc(12);
    settings.writeUInt16BE(ENABLE_PUSH, 0);
    settings.writeUInt16BE(INITIAL_WINDOW_SIZE, 6);
    settings.writeUInt32BE(STREAM_WINDOW_BYTES, 8);
    const grown = uint32(CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
    send(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, settings), frame(WINDOW_UPDATE, 0, 0, grown)]));
  }

  /** The server takes no more streams: those that there are come to their end. */
  get isGoingAway(): boolean {
    return this.#isGoingAway;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** @param block encoded headers, less than one frame */
  request(block: Buffer, body: Buffer, events: StreamEvents): void {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream: Stream = { events, unsent: body, sendWindow: this.#initialSendWindow, read: 0 };
    this.#streams.set(id, stream);
    this.#send(frame(HEADERS, END_HEADERS, id, block));
    this.#flush(id, stream);
  }

  /** Ends every stream with the error. */
  fail(error: Error): void {
    for (const id of [...this.#streams.keys()]) this.#end(id, error);
  }

  /** @param bytes what arrived, lent until it returns @throws Error when it is not HTTP/2 as we asked for it */
  take(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#headBytes < HEAD_BYTES) {
        const count = Math.min(HEAD_BYTES - this.#headBytes, bytes.length - at);
        bytes.copy(this.#head, this.#headBytes, at, at + count);
        this.#headBytes += count;
        at += count;
        if (this.#headBytes < HEAD_BYTES) return;
        this.#begin();
      }
      const end = Math.min(bytes.length, at + this.#left);
      if (this.#type === DATA) this.#takeData(bytes, at, end);
      else this.#controlBytes += bytes.copy(this.#control, this.#controlBytes, at, end);
      this.#left -= end - at;
      at = end;
      if (this.#left === 0) this.#finish();
    }
  }

  #begin(): void {
    const head = this.#head;
    this.#left = head.readUIntBE(0, 3);
    this.#type = head[3] as number;
    this.#flags = head[4] as number;
    this.#streamId = head.readUInt32BE(5) & 0x7fffffff;
    if (this.#left > FRAME_BYTES) throw new Error(`a frame of ${this.#left} bytes, more than was agreed on`);
    if (this.#type === DATA) {
      if ((this.#flags & PADDED) !== 0) throw new Error('a padded frame');
      return;
    }
    if (this.#control.length < this.#left) this.#control = Buffer.alloc(FRAME_BYTES);
    this.#controlBytes = 0;
  }

  #takeData(bytes: Buffer, start: number, end: number): void {
    const count = end - start;
    if (count === 0) return;
    const stream = this.#streams.get(this.#streamId);
    if (stream !== undefined) {
      stream.events.data(bytes, start, end);
      stream.read += count;
      if (stream.read >= STREAM_WINDOW_BYTES / 2) {
        this.#send(frame(WINDOW_UPDATE, 0, this.#streamId, uint32(stream.read)));
        stream.read = 0;
      }
    }
    this.#read += count;
    if (this.#read < CONNECTION_WINDOW_BYTES / 2) return;
    this.#send(frame(WINDOW_UPDATE, 0, 0, uint32(this.#read)));
    this.#read = 0;
  }

  #finish(): void {
    this.#headBytes = 0;
    const payload = this.#control.subarray(0, this.#controlBytes);
    switch (this.#type) {
      case DATA:
      case HEADERS:
        if ((this.#flags & END_STREAM) !== 0) this.#end(this.#streamId, undefined);
        return;
      case RST_STREAM:
        this.#end(this.#streamId, new Error(`the server reset the stream with code ${payload.readUInt32BE(0)}`));
        return;
      case SETTINGS:
        if ((this.#flags & ACK) === 0) this.#takeSettings(payload);
        return;
      case PING:
        if ((this.#flags & ACK) === 0) this.#send(frame(PING, ACK, 0, payload));
        return;
      case GOAWAY:
        this.#goAway(payload.readUInt32BE(0) & 0x7fffffff);
        return;
      case WINDOW_UPDATE:
        this.#widen(payload.readUInt32BE(0) & 0x7fffffff);
    }
  }

  #end(id: number, error: Error | undefined): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#streams.delete(id);
    stream.events.end(error);
  }

  #goAway(lastId: number): void {
    this.#isGoingAway = true;
    for (const id of [...this.#streams.keys()]) {
      if (id > lastId) this.#end(id, new Error('the server was going away'));
    }
  }

  #takeSettings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== INITIAL_WINDOW_SIZE) continue;
      const size = payload.readUInt32BE(at + 2);
      for (const stream of this.#streams.values()) stream.sendWindow += size - this.#initialSendWindow;
      this.#initialSendWindow = size;
    }
    this.#send(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
    for (const [id, stream] of this.#streams) this.#flush(id, stream);
  }

  #widen(by: number): void {
    if (this.#streamId === 0) {
      this.#sendWindow += by;
      for (const [id, stream] of this.#streams) this.#flush(id, stream);
      return;
    }
    const stream = this.#streams.get(this.#streamId);
    if (stream === undefined) return;
    stream.sendWindow += by;
    this.#flush(this.#streamId, stream);
  }

  #flush(id: number, stream: Stream): void {
    while (stream.unsent.length > 0) {
      const count = Math.min(FRAME_BYTES, stream.unsent.length, stream.sendWindow, this.#sendWindow);
      if (count <= 0) return;
      const isLast = count === stream.unsent.length;
      this.#send(frame(DATA, isLast ? END_STREAM : 0, id, stream.unsent.subarray(0, count)));
      stream.unsent = stream.unsent.subarray(count);
      stream.sendWindow -= count;
      this.#sendWindow -= count;
    }
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId, 5);
  bytes.set(payload, HEAD_BYTES);
  return bytes;
}

/** Header fields as literals without indexing (RFC 7541, 6.2.2), which every decoder takes whatever came before. Pure. */
export function encodeHeaders(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const literal = (text: string): Buffer => {
    const bytes = Buffer.from(text, 'latin1');
    return Buffer.concat([prefixed(bytes.length), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

/** A length with a prefix of seven bits, not Huffman-coded (RFC 7541, 5.1). */
function prefixed(length: number): Buffer {
  if (length < 127) return Buffer.from([length]);
  const bytes = [127];
  let rest = length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}
