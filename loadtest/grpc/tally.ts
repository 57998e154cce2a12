/** What a load has brought so far: objects that were whole and right, and what went wrong. Every body is judged here, in one way. */
import type { DataSet } from '../suite/data-set.ts';
import { Latencies } from '../suite/latencies.ts';
import type { LoadErrors } from '../suite/run-report.ts';

/** A load that meets more than this ends: it measures nothing any more. */
const ERRORS_MAX = 1000;

export class Tally {
  requests = 0;
  objects = 0;
  bytes = 0;
  /** From when a batch was due, or sent, until its first bytes. */
  readonly first = new Latencies();
  /** From there until it was whole. */
  readonly whole = new Latencies();
  /** Of the first thing that went wrong: what it was. */
  failure: string | undefined;
  #broken = 0;
  #refused = 0;
  #short = 0;
  #wrong = 0;

  get errors(): LoadErrors {
    return { broken: this.#broken, refused: this.#refused, short: this.#short, wrong: this.#wrong };
  }

  get isHopeless(): boolean {
    return this.#broken + this.#refused + this.#short + this.#wrong >= ERRORS_MAX;
  }

  /** A body has come whole, as its sender says. */
  received(dataSet: DataSet, position: number, bytes: number, crc32: number): void {
    const expected = dataSet.sizeOf(position);
    if (bytes < expected) this.short(`${dataSet.keyOf(position)} has ${bytes} bytes and not ${expected}`);
    else if (bytes > expected || crc32 !== dataSet.crcOf(position)) this.#isWrong(dataSet, position, bytes);
    else {
      this.objects += 1;
      this.bytes += bytes;
    }
  }

  /** A body was acknowledged. */
  stored(bytes: number): void {
    this.objects += 1;
    this.bytes += bytes;
  }

  short(what: string): void {
    this.#short += 1;
    this.failure ??= what;
  }

  broken(what: string): void {
    this.#broken += 1;
    this.failure ??= what;
  }

  refused(what: string): void {
    this.#refused += 1;
    this.failure ??= what;
  }

  #isWrong(dataSet: DataSet, position: number, bytes: number): void {
    this.#wrong += 1;
    this.failure ??= `${dataSet.keyOf(position)} came with ${bytes} bytes that are not those that were stored`;
  }
}
