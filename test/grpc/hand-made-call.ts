/** A call without a transport: what a service is given, and what it sent. For the tests of services. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http2';
import { GatewayError } from '../../src/base/errors.ts';
import type { ServerCall } from '../../src/fronts/grpc/server-call.ts';

/** Bytes of the prefix of a message. */
const PREFIX = 5;

export class HandMadeCall implements ServerCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress = '127.0.0.1';
  readonly startedMs = performance.now();
  readonly deadlineMs = Number.POSITIVE_INFINITY;
  accessKeyId: string | undefined;
  resource: string | undefined;
  isOver = false;
  /** Messages that were sent, without their prefixes. */
  readonly sent: Buffer[] = [];
  /** How many writes they took. */
  writes = 0;
  /** Buffers of the last write, as they were given. */
  lastBuffers: readonly Buffer[] = [];
  readonly #abort = new AbortController();
  readonly #request: Buffer[] = [];
  #ended = false;
  #wake: (() => void) | undefined;
  #blocked: Promise<void> | undefined;
  #unblock: (() => void) | undefined;
  #asked: (() => void) | undefined;
  /** How often a handler has asked for a message that was not there. */
  waits = 0;

  constructor(path: string, headers: IncomingHttpHeaders = {}) {
    this.path = path;
    this.headers = headers;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  // --- the client's side ---

  send(...messages: Buffer[]): this {
    this.#request.push(...messages);
    this.#wake?.();
    return this;
  }

  end(): this {
    this.#ended = true;
    this.#wake?.();
    return this;
  }

  /** The client goes away. */
  break(): void {
    this.isOver = true;
    this.#abort.abort(new Error('the call is over'));
    this.#unblock?.();
    this.#wake?.();
  }

  /** Writes do not resolve until `unblock`: a client that does not read. */
  block(): void {
    this.#blocked = new Promise((resolve) => {
      this.#unblock = resolve;
    });
  }

  unblock(): void {
    this.#unblock?.();
    this.#blocked = undefined;
  }

  /** Messages that nobody has taken yet. */
  get unread(): number {
    return this.#request.length;
  }

  /** Resolves when the handler waits for a message. */
  async hungry(): Promise<void> {
    while (this.#wake === undefined || this.#request.length > 0) {
      await new Promise<void>((resolve) => {
        this.#asked = resolve;
      });
    }
  }

  // --- the handler's side ---

  async *messages(): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      if (this.isOver) throw new GatewayError('RequestTimeout', 'The call is over.');
      const next = this.#request.shift();
      if (next !== undefined) yield next;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.waits++;
          this.#wake = resolve;
          this.#asked?.();
        });
        this.#wake = undefined;
      }
    }
  }

  async message(): Promise<Buffer> {
    return this.#request.shift() ?? Buffer.alloc(0);
  }

  write(message: Buffer): Promise<void> {
    const prefix = Buffer.alloc(PREFIX);
    prefix.writeUInt32BE(message.length, 1);
    return this.writeFramed([prefix, message]);
  }

  async writeFramed(buffers: readonly Buffer[], messages = 1): Promise<void> {
    await this.#blocked;
    if (this.isOver) throw new Error('the call is over');
    this.writes++;
    this.lastBuffers = buffers;
    let bytes = Buffer.concat(buffers);
    let count = 0;
    while (bytes.length > 0) {
      count++;
      const end = PREFIX + bytes.readUInt32BE(1);
      this.sent.push(bytes.subarray(PREFIX, end));
      bytes = bytes.subarray(end);
    }
    assert.equal(count, messages, 'as many messages as were announced');
  }

  sendHeaders(): void {}

  abort(): void {
    this.break();
  }
}
