// HOT PATH (bench/s3-get.ts)
/**
 * The fast lane: plain GETs of objects that are at hand, answered straight from the socket. Half of the processor time of a small GET
 * goes into what node:http makes of it, so a connection starts here and comes to node:http only with its first request that is
 * not plain. Promises: whoever reads the wire cannot tell which of the two answered; answers keep their order; nothing but whole
 * requests is served here, and a byte that is not served is handed on unseen; a client that does not read holds a bounded queue.
 *
 * Hardest decision: connections come back. One cold object or one PUT must not send a data loader's connection to the slow side for
 * ever, so node:http is fed chunk by chunk from here, and when it provably stands between two requests (fast-lane-boundary.ts)
 * the next chunk is tried here again. Only a connection that begins with a large upload stays there. This leans on how node:http takes over a socket: test/s3/fast-lane-fuzz.test.ts compares
 * both sides byte by byte, on every version of Node.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { LIMITS } from '../../base/limits.ts';
import type { ObjectStore } from '../../base/object-store.ts';
import { answerLane, type GetNow, type LaneAnswer } from './fast-lane-answer.ts';
import { HttpBoundary } from './fast-lane-boundary.ts';
import { type LaneRequest, parseLaneRequest } from './fast-lane-parse.ts';
import type { FrontState } from './front.ts';
import { report } from './handle.ts';
import { owesAnswer } from './reject.ts';

type Listener = (...args: unknown[]) => void;
type LaneSocket = Socket & { s3Lane?: LaneConnection };

/** Head and body up to this leave as one buffer, which is used again when the kernel took it at once. */
const SCRATCH_BYTES = 64 * 1024;

/** Where the length of an upload is looked for: it is a matter of speed alone, whether it is found. */
const UPLOAD_HEAD_BYTES = 4096;
const LENGTH_NAME = '\r\ncontent-length:';

/** With one of them node:http tells of every head that it has read. */
const REQUEST_EVENTS = ['request', 'checkContinue', 'checkExpectation'] as const;

/** Puts a fast lane before a server of node:http that is not yet listening, where the store can answer at once. */
export function openFastLane(front: FrontState, server: Server): FastLane | undefined {
  const { objects } = front.storage;
  return objects.getNow === undefined ? undefined : new FastLane(front, server, objects);
}

export class FastLane {
  readonly front: FrontState;
  readonly server: Server;
  readonly getNow: GetNow;
  readonly connections = new Set<LaneConnection>();
  scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  /** How node:http takes over a socket. */
  readonly #takeOver: Listener[];

  constructor(front: FrontState, server: Server, objects: ObjectStore) {
    this.front = front;
    this.server = server;
    this.getNow = (bucket, key) => objects.getNow?.(bucket, key);
    this.#takeOver = server.listeners('connection') as Listener[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => new LaneConnection(this, socket));
    for (const event of REQUEST_EVENTS) server.prependListener(event, begin);
  }

  /** Starts node:http on a socket, and answers the listener with which it takes chunks. */
  startHttp(socket: Socket): (chunk: Buffer) => void {
    for (const listener of this.#takeOver) listener.call(this.server, socket);
    return socket.listeners('data').at(-1) as (chunk: Buffer) => void;
  }

  /** Closes connections on which the lane owes nothing. Resolves when all are closed on which it does, or at once. */
  closeIdle(): Promise<void> | undefined {
    const owing = [...this.connections].filter((connection) => !connection.closeIfIdle());
    if (owing.length === 0) return undefined;
    return new Promise((resolve) => {
      let left = owing.length;
      for (const { socket } of owing) {
        socket.once('close', () => {
          left -= 1;
          if (left === 0) resolve();
        });
      }
    });
  }

  destroyAll(): void {
    for (const { socket } of this.connections) socket.destroy();
  }
}

class LaneConnection {
  readonly socket: LaneSocket;
  readonly #lane: FastLane;
  /** What node:http does with a chunk, once it was needed. */
  #feedHttp: ((chunk: Buffer) => void) | undefined;
  readonly #boundary = new HttpBoundary();
  /** Chunks go to node:http until it stands between two requests. */
  #withHttp = false;
  #hasServed = false;
  /** Requests that wait until the client has read the answers before them. */
  #held: Buffer | undefined;

  constructor(lane: FastLane, socket: Socket) {
    this.#lane = lane;
    this.socket = socket;
    this.socket.s3Lane = this;
    lane.connections.add(this);
    socket.on('close', () => lane.connections.delete(this));
    socket.on('end', this.#onEnd);
    socket.on('error', ignore);
    socket.on('timeout', this.#onTimeout);
    socket.setTimeout(LIMITS.headMs);
    socket.on('data', this.#onData);
  }

  begin(request: IncomingMessage): void {
    this.#boundary.begin(request);
  }

  /** False while the lane owes bytes on it. A connection with node:http is for node:http to close. */
  closeIfIdle(): boolean {
    if (this.#held !== undefined) return false; // those go to node:http, whose answers close
    if (this.#withHttp) return true;
    if (this.socket.writableLength === 0) {
      this.socket.destroy();
      return true;
    }
    this.socket.destroySoon();
    return false;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#withHttp || this.#comesBack()) this.#take(chunk);
    else this.#toHttp(chunk);
  };

  #comesBack(): boolean {
    if (owesAnswer(this.socket) || !this.#boundary.reached) return false;
    this.#withHttp = false;
    return true;
  }

  /** Serves the requests at the front of these bytes; the rest is held, or handed on. */
  #take(chunk: Buffer): void {
    const { socket } = this;
    let from = 0;
    while (from < chunk.length) {
      if (socket.writableLength > LIMITS.responseQueueBytes) {
        this.#hold(chunk.subarray(from));
        return;
      }
      const end = socket.writable ? this.#serve(chunk, from) : undefined;
      if (end === undefined) {
        this.#toHttp(from === 0 ? chunk : chunk.subarray(from));
        return;
      }
      from = end;
    }
  }

  #toHttp(bytes: Buffer): void {
    if (this.#feedHttp === undefined) {
      const feed = this.#startHttp();
      if (!this.#hasServed && announcesUpload(bytes)) {
        this.#leave();
        feed.call(this.socket, bytes);
        return;
      }
      this.#feedHttp = this.#feedFrom(feed);
    }
    if (!this.#withHttp) this.#boundary.restart();
    this.#withHttp = true;
    this.#boundary.feed(bytes);
    this.#feedHttp(bytes);
  }

  #startHttp(): (chunk: Buffer) => void {
    const { socket } = this;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('error', ignore);
    socket.off('timeout', this.#onTimeout);
    return this.#lane.startHttp(socket);
  }

  /** From now on chunks come here, and node:http takes them from here. */
  #feedFrom(listener: (chunk: Buffer) => void): (chunk: Buffer) => void {
    this.socket.off('data', listener);
    this.socket.on('data', this.#onData); // node:http lets go of the handle when somebody else listens
    return listener.bind(this.socket);
  }

  /** An uploader's connection is for node:http alone, which reads large bodies a tenth cheaper from the handle (2026-11). */
  #leave(): void {
    delete this.socket.s3Lane;
    this.#lane.connections.delete(this);
  }

  /** Where the request that starts at `from` ends, or `undefined` when it was not served. */
  #serve(chunk: Buffer, from: number): number | undefined {
    const { front, getNow } = this.#lane;
    if (front.draining || front.inFlight >= front.limits.requestsMax) return undefined;
    const request = parseLaneRequest(chunk, from);
    if (request === undefined) return undefined;
    const startedAt = performance.now();
    const answer = answerLane(front, getNow, request, front.clock.now());
    if (answer === undefined) return undefined;
    this.#send(answer.head, answer.body);
    if (front.observe !== undefined) this.#report(request, answer, startedAt);
    if (!this.#hasServed) {
      this.#hasServed = true;
      if (this.#feedHttp === undefined) this.socket.setTimeout(LIMITS.idleConnectionMs);
    }
    return request.end;
  }

  #send(head: string, body: Buffer): void {
    const { socket } = this;
    const lane = this.#lane;
    const bytes = head.length + body.length;
    if (bytes > SCRATCH_BYTES || socket.writableLength > 0) {
      socket.cork();
      socket.write(head, 'latin1');
      socket.write(body);
      socket.uncork();
      return;
    }
    const { scratch } = lane;
    scratch.write(head, 0, 'latin1');
    body.copy(scratch, head.length);
    socket.write(scratch.subarray(0, bytes));
    // The kernel did not take it all, so the buffer is not ours before it has.
    if (socket.writableLength > 0) lane.scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }

  #report(request: LaneRequest, answer: LaneAnswer, startedAt: number): void {
    const { front } = this.#lane;
    report(front, {
      operation: 'GetObject',
      method: 'GET',
      bucket: request.bucket,
      key: request.key,
      status: 200,
      errorCode: undefined,
      bytesIn: 0,
      bytesOut: answer.body.length,
      durationMs: performance.now() - startedAt,
      requestId: answer.requestId,
      accessKeyId: answer.accessKeyId,
      remoteAddress: this.socket.remoteAddress ?? '',
    });
  }

  #hold(bytes: Buffer): void {
    const { socket } = this;
    this.#held = bytes;
    socket.pause();
    socket.setTimeout(LIMITS.stalledConnectionMs);
    socket.once('drain', this.#onDrain);
  }

  readonly #onDrain = (): void => {
    const held = this.#held;
    this.#held = undefined;
    this.socket.setTimeout(LIMITS.idleConnectionMs);
    this.socket.resume(); // before: what takes the bytes may pause it again
    if (held !== undefined) this.#take(held);
  };

  /** The client sends no more; it may still read. */
  readonly #onEnd = (): void => {
    this.socket.end();
  };

  /** As node:http does it: a client that never said anything is told so, one that is idle or does not read is cut. */
  readonly #onTimeout = (): void => {
    if (this.#hasServed) this.socket.destroy();
    else this.#lane.server.emit('clientError', new HeadTimeout(), this.socket);
  };
}

/** Whether the request at the front of these bytes has a large body, or one of which it does not say how large it is. */
function announcesUpload(bytes: Buffer): boolean {
  if (bytes[0] !== 0x50) return false; // PUT, POST
  const head = bytes.toString('latin1', 0, Math.min(bytes.length, UPLOAD_HEAD_BYTES)).toLowerCase();
  const at = head.indexOf(LENGTH_NAME);
  if (at < 0) return head.includes('\r\ntransfer-encoding:');
  return Number.parseInt(head.slice(at + LENGTH_NAME.length), 10) >= LIMITS.bodyCollectBytesMax;
}

function begin(request: IncomingMessage): void {
  (request.socket as LaneSocket).s3Lane?.begin(request);
}

class HeadTimeout extends Error {
  readonly code = 'ERR_HTTP_REQUEST_TIMEOUT';
}

function ignore(): void {}
