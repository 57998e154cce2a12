/**
 * PUTs of bytes that no other PUT of the run has, to a bounded number of keys in turns, so that the disk does not fill. Remembers what was
 * acknowledged last under each key, so that samples of it can be read back.
 */
import { randomInt } from 'node:crypto';
import type { DataSet } from '../suite/data-set.ts';
import type { RequestWriter } from '../suite/request-writer.ts';
import type { Operation, OperationSource } from './operation.ts';

/** What must be there now. */
export interface Written {
  readonly key: string;
  readonly bytes: number;
  readonly crc: number;
}

export class PutSource implements OperationSource {
  readonly #dataSet: DataSet;
  readonly #writer: RequestWriter;
  readonly #keys: number;
  /** Position whose bytes each key has by now; -1: none, or it is not known. */
  readonly #stored: Int32Array;
  /** PUTs under way to each key. */
  readonly #busy: Uint16Array;
  #position = 0;

  /** @param dataSet has as many positions as there may be PUTs before bytes come again @param keys at most as many */
  constructor(dataSet: DataSet, keys: number, writer: RequestWriter) {
    this.#dataSet = dataSet;
    this.#writer = writer;
    this.#keys = Math.min(keys, dataSet.count);
    this.#stored = new Int32Array(this.#keys).fill(-1);
    this.#busy = new Uint16Array(this.#keys);
  }

  next(): Operation {
    const position = this.#position % this.#dataSet.count;
    const at = this.#position % this.#keys;
    this.#position += 1;
    const body = this.#dataSet.bodyOf(position);
    const request = this.#writer.put(this.#dataSet.keyOf(at), body, this.#dataSet.crcOf(position), Date.now());
    const isAlone = this.#busy[at] === 0;
    this.#busy[at] = (this.#busy[at] as number) + 1;
    this.#stored[at] = -1;
    const settle = (outcome: 'done' | 'failed' | 'unknown'): void => {
      this.#busy[at] = (this.#busy[at] as number) - 1;
      if (outcome === 'done' && isAlone && this.#busy[at] === 0) this.#stored[at] = position;
    };
    return { name: 'PUT', request, sentBytes: body.length, settle };
  }

  /** Some of what was acknowledged, by chance. */
  written(countMax: number): Written[] {
    const known = Array.from(this.#stored.keys()).filter((at) => (this.#stored[at] as number) >= 0);
    for (let i = 0; i < Math.min(countMax, known.length); i += 1) {
      const j = randomInt(i, known.length);
      [known[i], known[j]] = [known[j] as number, known[i] as number];
    }
    return known.slice(0, countMax).map((at) => {
      const position = this.#stored[at] as number;
      const { sizeOf, crcOf, keyOf } = this.#dataSet;
      return { key: keyOf(at), bytes: sizeOf(position), crc: crcOf(position) };
    });
  }
}
