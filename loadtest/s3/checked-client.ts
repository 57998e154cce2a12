/**
 * What a client of autocannon must do beside what it does by itself, through its `setupClient`. Promises: every answer is judged, by the
 * CRC-32 of its raw bytes where it has any; every request is settled once, those whose connection broke too; nothing is made into a string.
 *
 * Hardest decision: autocannon 9.0.0 glues bodies together as text, which spoils bytes and costs five times the CPU of the rest of a request
 * (measured 2026-11-25: 271 against 56 µs at 16 KiB); it starts a new connection with half an answer of the old one in its parser; and it
 * takes the length in the answer to a HEAD for a body. So five of its inner methods are replaced on each client, all in this file; where a
 * release has them no more, the constructor says so.
 */
import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { crc32 } from '@node-rs/crc32';
import type { LoadErrors } from '../suite/run-report.ts';
import type { LoadTally } from './load-tally.ts';
import { faultOf, type Operation, type OperationSource, type Reply } from './operation.ts';

interface ReplyHead {
  readonly statusCode: number;
  /** Names and values in turns. */
  readonly headers: readonly string[];
  readonly shouldKeepAlive: boolean;
}

type OnHead = (head: ReplyHead) => unknown;

/** Of autocannon's Client, as far as it is used here. */
export interface CannonClient extends EventEmitter {
  readonly parser: {
    readonly constructor: { readonly kOnHeadersComplete: number; readonly RESPONSE: string };
    initialize(type: string): void;
    [callback: number]: OnHead;
  };
  readonly pipelinedRequests: { addBody(chunk: Buffer): void };
  getRequestBuffer(): Buffer;
  _connect(): void;
  _doRequest(): void;
  /** Ends the connection and makes another. */
  _resetConnection(): void;
}

export interface ClientHooks {
  readonly source: OperationSource;
  readonly tally: LoadTally;
  /**
   * Told that a connection is free. It calls `send` once, when a request is due, with when that was by `performance.now()`; absent: the next
   * request follows at once.
   */
  readonly whenFree?: (client: CannonClient, send: (dueMs: number) => void) => void;
  /** Told of a connection that ended without a single answer. @returns whether another shall be made */
  readonly whenFruitless: () => boolean;
}

export class CheckedClient {
  readonly #client: CannonClient;
  readonly #hooks: ClientHooks;
  readonly #reply: Reply = { status: 0, bytes: 0, crc: 0 };
  #operation: Operation | undefined;
  #dueMs = 0;
  #sentMs = 0;
  /** Of the present connection; -1 before the first. */
  #answers = -1;
  #isEnding = false;

  constructor(client: CannonClient, hooks: ClientHooks) {
    this.#client = client;
    this.#hooks = hooks;
    assertKnown(client);
    const { _connect: connect, _doRequest: doRequest } = client;
    client.pipelinedRequests.addBody = (chunk) => this.#takeBody(chunk);
    client.getRequestBuffer = () => this.#begin();
    client.on('response', () => this.#finish());
    client._connect = () => {
      if (this.#reset()) connect.call(client);
    };
    const send = (dueMs: number): void => {
      this.#dueMs = dueMs;
      doRequest.call(client);
    };
    client._doRequest = () => {
      if (this.#isEnding) client._resetConnection();
      else if (hooks.whenFree === undefined) send(performance.now());
      else hooks.whenFree(client, send);
    };
  }

  /** When the request was sent that has no answer yet. */
  get sentMs(): number | undefined {
    return this.#operation === undefined ? undefined : this.#sentMs;
  }

  /** There will be no answer any more. @param fault absent: nobody's, the load is over */
  abandon(fault: keyof LoadErrors | undefined, about: string): void {
    const operation = this.#operation;
    if (operation === undefined) return;
    this.#operation = undefined;
    operation.settle?.('unknown');
    if (fault !== undefined) this.#hooks.tally.bad(operation, fault, `${operation.name}: ${about}`);
  }

  /** Before a new connection; at the first, autocannon has just set its handlers on the parser. @returns whether to make it */
  #reset(): boolean {
    const { parser } = this.#client;
    const { RESPONSE, kOnHeadersComplete } = parser.constructor;
    if (this.#answers === -1) {
      const onHead = parser[kOnHeadersComplete] as OnHead;
      parser[kOnHeadersComplete] = (head) => {
        onHead(head);
        return this.#takeHead(head);
      };
    }
    if (this.#reply.bytes > 0) this.abandon('short', 'the connection ended within the answer');
    else this.abandon('broken', 'the connection ended before the answer');
    const goesOn = this.#answers !== 0 || this.#hooks.whenFruitless();
    [this.#answers, this.#isEnding] = [0, false];
    parser.initialize(RESPONSE);
    return goesOn;
  }

  #begin(): Buffer {
    const operation = this.#hooks.source.next();
    this.#operation = operation;
    this.#sentMs = performance.now();
    const reply = this.#reply;
    reply.status = 0;
    reply.bytes = 0;
    reply.crc = 0;
    return operation.request;
  }

  /** @returns whether no body follows */
  #takeHead({ statusCode, headers, shouldKeepAlive }: ReplyHead): boolean {
    this.#reply.status = statusCode;
    this.#isEnding = !shouldKeepAlive;
    if (this.#operation?.name !== 'HEAD') return false;
    const at = headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'content-length');
    this.#reply.bytes = at < 0 ? 0 : Number(headers[at + 1]);
    return true;
  }

  #takeBody(chunk: Buffer): void {
    const reply = this.#reply;
    reply.bytes += chunk.length;
    if (this.#operation?.expected !== undefined) reply.crc = crc32(chunk, reply.crc);
  }

  #finish(): void {
    const operation = this.#operation;
    if (operation === undefined) return;
    this.#operation = undefined;
    this.#answers += 1;
    const { tally } = this.#hooks;
    const reply = this.#reply;
    const fault = faultOf(operation, reply);
    if (fault === undefined) {
      const bytes = operation.sentBytes ?? (operation.name === 'GET' ? reply.bytes : 0);
      tally.good(operation, bytes, performance.now() - this.#dueMs);
    } else {
      tally.bad(operation, fault, `${operation.name}: ${fault}, status ${reply.status}, ${reply.bytes} bytes`);
    }
    operation.settle?.(fault === undefined ? 'done' : 'failed');
  }
}

function assertKnown(client: CannonClient): void {
  const { parser, pipelinedRequests } = client;
  const inner = [client.getRequestBuffer, client._connect, client._doRequest, client._resetConnection];
  const methods = [...inner, parser.initialize, pipelinedRequests.addBody];
  const isKnown = methods.every((method) => typeof method === 'function') && parser.constructor.kOnHeadersComplete > 0;
  assert(isKnown, 'this release of autocannon is built otherwise: look at checked-client.ts');
}
