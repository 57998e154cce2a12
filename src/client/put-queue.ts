/**
 * What of a run of puts waits to be sent, is on its way, or waits to be fetched. Promises: bytes and objects that were taken and have no
 * result yet are bounded, and so are results that nobody fetched: a slow gateway or a slow caller stops the source.
 *
 * Hardest decision: an object counts until the caller has fetched its result, not until the gateway has acknowledged it. So one count
 * bounds everything.
 */
import { LIMITS } from '../base/limits.ts';
import type { PenstockError } from './penstock-error.ts';

export interface PutItem {
  readonly key: string;
  /** Not to be changed before its result has come. */
  readonly body: Buffer;
  /** Only where it is not the run's. */
  readonly bucket?: string;
  readonly contentType?: string;
  /** Names in lower case. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Write only where the key has no object. */
  readonly ifAbsent?: boolean;
}

/** An item on its way. */
export interface PendingPut {
  /** Its place among the items, from 0. */
  readonly slot: number;
  readonly item: PutItem;
  readonly crc32: number;
  attempts: number;
  /** An earlier attempt ended without saying whether it was stored. */
  mayBeStored: boolean;
  lastError: PenstockError | undefined;
}

/** Queues with one waiter for each wake: small, and enough. */
export class PutQueue<R> {
  readonly #ready: PendingPut[] = [];
  readonly #results: R[] = [];
  readonly #waiting = new Set<() => void>();
  #bytes = 0;
  #items = 0;
  /** Items taken and not yet settled. */
  #unsettled = 0;
  #sourceEnded = false;
  #failure: unknown;
  #hasFailed = false;

  /** Room for another item? */
  get hasRoom(): boolean {
    return this.#bytes < LIMITS.clientPutBytesMax && this.#items < LIMITS.clientPutItemsMax;
  }

  /** No item will come any more, neither from the source nor back from an attempt. */
  get isDone(): boolean {
    return this.#hasFailed || (this.#sourceEnded && this.#unsettled === 0);
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  add(pending: PendingPut): void {
    this.#bytes += pending.item.body.length;
    this.#items += 1;
    this.#unsettled += 1;
    this.#ready.push(pending);
    this.#wake();
  }

  /** An item that must be sent again. */
  addAgain(pending: PendingPut): void {
    this.#ready.push(pending);
    this.#wake();
  }

  endSource(): void {
    this.#sourceEnded = true;
    this.#wake();
  }

  /** Ends everything: the caller gets this error after the results that there are. */
  fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#failure = error;
    this.#wake();
  }

  /** The next item to send, if one is ready and no larger than that. */
  takeReady(bytesMax: number): PendingPut | undefined {
    const next = this.#ready[0];
    if (this.#hasFailed || next === undefined || next.item.body.length > bytesMax) return undefined;
    return this.#ready.shift();
  }

  settle(pending: PendingPut, result: R): void {
    this.#bytes -= pending.item.body.length;
    this.#unsettled -= 1;
    this.#results.push(result);
    this.#wake();
  }

  /** Results that there are; waits for one. `undefined`: all were fetched. @throws what the run failed with */
  async fetch(): Promise<readonly R[] | undefined> {
    while (this.#results.length === 0) {
      if (this.#hasFailed) throw this.#failure;
      if (this.isDone) return undefined;
      await this.changed();
    }
    const results = this.#results.splice(0);
    this.#items -= results.length;
    this.#wake();
    return results;
  }

  /** Resolves when anything here has changed. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  /** Lets everyone who waits look again. */
  touch(): void {
    this.#wake();
  }

  #wake(): void {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}
