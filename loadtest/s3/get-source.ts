/** GETs of the objects of a data set, in random order, each once before any comes again. Requests are signed before the load begins. */
import { Epoch } from '../../bench/rig/epoch.ts';
import type { DataSet } from '../suite/data-set.ts';
import type { RequestWriter } from '../suite/request-writer.ts';
import type { Operation, OperationSource } from './operation.ts';

/** A signature is good for 15 minutes. */
const SIGNED_MS_MAX = 5 * 60_000;
const TAKEN_AT_ONCE = 64;

export class GetSource implements OperationSource {
  readonly #dataSet: DataSet;
  readonly #writer: RequestWriter;
  readonly #epoch: Epoch;
  readonly #operations: Operation[] = [];
  readonly #signedMs: Float64Array;
  #positions: readonly number[] = [];
  #taken = 0;

  constructor(dataSet: DataSet, writer: RequestWriter) {
    this.#dataSet = dataSet;
    this.#writer = writer;
    this.#epoch = new Epoch(dataSet.count);
    this.#signedMs = new Float64Array(dataSet.count);
  }

  /** Makes every request and every checksum anew, so that none of it is done while the load runs. */
  prepare(): void {
    for (let position = 0; position < this.#dataSet.count; position += 1) this.#sign(position);
  }

  next(): Operation {
    if (this.#taken === this.#positions.length) {
      this.#positions = this.#epoch.take(Math.min(TAKEN_AT_ONCE, Math.max(1, this.#epoch.left), this.#dataSet.count));
      this.#taken = 0;
    }
    const position = this.#positions[this.#taken] as number;
    this.#taken += 1;
    if (Date.now() - (this.#signedMs[position] as number) > SIGNED_MS_MAX) this.#sign(position);
    return this.#operations[position] as Operation;
  }

  #sign(position: number): void {
    const nowMs = Date.now();
    const key = this.#dataSet.keyOf(position);
    const expected = { bytes: this.#dataSet.sizeOf(position), crc: this.#dataSet.crcOf(position) };
    this.#operations[position] = { name: 'GET', request: this.#writer.plain('GET', key, nowMs), expected };
    this.#signedMs[position] = nowMs;
  }
}
