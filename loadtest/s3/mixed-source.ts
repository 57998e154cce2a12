/**
 * A mixture of operations on a set of objects that changes: PUTs make new ones, DELETEs take some away. Promises: nothing is read or asked for
 * while it may be going away, so that every refusal and every wrong byte is the target's doing.
 */
import type { DataSet } from '../suite/data-set.ts';
import type { RequestWriter } from '../suite/request-writer.ts';
import type { Mix } from './mix.ts';
import { OPERATIONS, type Operation, type OperationName, type OperationSource } from './operation.ts';
import type { Written } from './put-source.ts';

/** DELETEs pause below this share of the objects at the start. */
const LIVE_SHARE_MIN = 0.25;
const TRIES = 8;
const GROUPS = 100;

export class MixedSource implements OperationSource {
  readonly #dataSet: DataSet;
  readonly #writer: RequestWriter;
  readonly #bounds: readonly (readonly [name: OperationName, upTo: number])[];
  readonly #chance: () => number;
  readonly #liveMin: number;
  /** Positions that are stored. */
  readonly #live: number[];
  /** Requests under way for each position. */
  readonly #readers: Uint16Array;
  /** Positions that were deleted, to be used again when none is new any more. */
  readonly #gone: number[] = [];
  #fresh: number;

  /**
   * @param dataSet its first `stored` objects are there; the others are those that PUTs make
   * @param chance in [0, 1)
   */
  constructor(dataSet: DataSet, stored: number, mix: Mix, writer: RequestWriter, chance: () => number = Math.random) {
    this.#dataSet = dataSet;
    this.#writer = writer;
    this.#chance = chance;
    this.#live = Array.from({ length: stored }, (_, position) => position);
    this.#liveMin = Math.max(1, Math.floor(stored * LIVE_SHARE_MIN));
    this.#readers = new Uint16Array(dataSet.count);
    this.#fresh = stored;
    let sum = 0;
    this.#bounds = OPERATIONS.map((name) => {
      sum += mix[name];
      return [name, sum] as const;
    });
  }

  next(): Operation {
    const [, total] = this.#bounds.at(-1) as readonly [OperationName, number];
    const drawn = this.#chance() * total;
    const [name] = this.#bounds.find(([, upTo]) => drawn < upTo) as readonly [OperationName, number];
    switch (name) {
      case 'GET':
      case 'HEAD':
        return this.#read(name);
      case 'PUT':
        return this.#put() ?? this.#read('GET');
      case 'DELETE':
        return this.#delete() ?? this.#read('GET');
      case 'LIST':
        return this.#list();
    }
  }

  /** Some of what is there, by chance. */
  written(countMax: number): Written[] {
    const { keyOf, sizeOf, crcOf } = this.#dataSet;
    const positions = new Set(Array.from({ length: Math.min(countMax, this.#live.length) }, () => this.#drawn()[0]));
    return [...positions].map((position) => ({
      key: keyOf(position),
      bytes: sizeOf(position),
      crc: crcOf(position),
    }));
  }

  #drawn(): [position: number, place: number] {
    const place = Math.floor(this.#chance() * this.#live.length);
    return [this.#live[place] as number, place];
  }

  #read(name: 'GET' | 'HEAD'): Operation {
    const [position] = this.#drawn();
    this.#readers[position] = (this.#readers[position] as number) + 1;
    const settle = (): void => {
      this.#readers[position] = (this.#readers[position] as number) - 1;
    };
    const expected = { bytes: this.#dataSet.sizeOf(position), crc: this.#dataSet.crcOf(position) };
    const request = this.#writer.plain(name, this.#dataSet.keyOf(position), Date.now());
    return { name, request, expected, settle };
  }

  #put(): Operation | undefined {
    const position = this.#fresh < this.#dataSet.count ? this.#fresh++ : this.#gone.pop();
    if (position === undefined) return undefined;
    const { keyOf, bodyOf, crcOf } = this.#dataSet;
    const body = bodyOf(position);
    const settle = (outcome: 'done' | 'failed' | 'unknown'): void => {
      if (outcome === 'done') this.#live.push(position);
    };
    const request = this.#writer.put(keyOf(position), body, crcOf(position), Date.now());
    return { name: 'PUT', request, sentBytes: body.length, settle };
  }

  /** Of one that nobody reads at the moment. */
  #delete(): Operation | undefined {
    if (this.#live.length <= this.#liveMin) return undefined;
    for (let i = 0; i < TRIES; i += 1) {
      const [position, place] = this.#drawn();
      if (this.#readers[position] !== 0) continue;
      this.#live[place] = this.#live.at(-1) as number;
      this.#live.pop();
      const settle = (outcome: 'done' | 'failed' | 'unknown'): void => {
        if (outcome === 'done') this.#gone.push(position);
      };
      const request = this.#writer.plain('DELETE', this.#dataSet.keyOf(position), Date.now());
      return { name: 'DELETE', request, settle };
    }
    return undefined;
  }

  #list(): Operation {
    const group = String(Math.floor(this.#chance() * GROUPS)).padStart(4, '0');
    return { name: 'LIST', request: this.#writer.list(`${this.#dataSet.spec.prefix}/n${group}/`, Date.now()) };
  }
}
