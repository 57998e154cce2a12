/**
 * What the store holds, by class of content: objects, their bytes as written, and the bytes that they take in volumes, heads and manifests
 * included. Kept in the index with every transaction, so that they are at hand and exact; a scan of all entries gives the same, which the
 * doctor checks. Parts of unfinished uploads and dictionaries have accounts of their own.
 */
import { GatewayError } from '../base/errors.ts';
import type { Entry } from '../format/index-entry.ts';
import type { Location } from '../format/manifest.ts';

/** Classes have the numbers of `CONTENT_CLASS`; at most 15. */
const CLASSES = 16;
/** Parts of uploads that nobody has completed. */
export const PARTS_ACCOUNT = 16;
export const DICTIONARY_ACCOUNT = 17;
export const ACCOUNTS = 18;
const FIELDS = 3;

export interface Account {
  readonly objects: number;
  /** As clients wrote them. */
  readonly bytesIn: number;
  /** In volumes: records with heads and padding, manifests, extents. */
  readonly bytesStored: number;
}

/** Amounts or changes of amounts, by account. */
export class ClassAccounts {
  readonly #values: Float64Array;

  constructor(values: Float64Array = new Float64Array(ACCOUNTS * FIELDS)) {
    this.#values = values;
  }

  /** @throws GatewayError InternalError for bytes of another release */
  static decode(bytes: Buffer): ClassAccounts {
    if (bytes.length !== ACCOUNTS * FIELDS * 8)
      throw new GatewayError(
        'InternalError',
        `The accounts of the index have ${bytes.length} bytes; rebuild the index.`,
      );
    const values = new Float64Array(ACCOUNTS * FIELDS);
    for (let i = 0; i < values.length; i++) values[i] = bytes.readDoubleLE(8 * i);
    return new ClassAccounts(values);
  }

  /** f64, little endian: objects, bytes in, bytes stored of account 0, then of 1, and so on. */
  encode(): Buffer {
    const bytes = Buffer.allocUnsafe(this.#values.length * 8);
    for (const [i, value] of this.#values.entries()) bytes.writeDoubleLE(value, 8 * i);
    return bytes;
  }

  add(account: number, objects: number, bytesIn: number, bytesStored: number): void {
    const at = account * FIELDS;
    const values = this.#values;
    values[at] = (values[at] as number) + objects;
    values[at + 1] = (values[at + 1] as number) + bytesIn;
    values[at + 2] = (values[at + 2] as number) + bytesStored;
  }

  addAll(changes: ClassAccounts): void {
    for (const [i, value] of changes.#values.entries()) this.#values[i] = (this.#values[i] as number) + value;
  }

  of(account: number): Account {
    const at = account * FIELDS;
    const [objects, bytesIn, bytesStored] = this.#values.subarray(at, at + FIELDS);
    return { objects: objects as number, bytesIn: bytesIn as number, bytesStored: bytesStored as number };
  }

  /** By number of the class. */
  classes(): Account[] {
    return Array.from({ length: CLASSES }, (_, number) => this.of(number));
  }

  get isZero(): boolean {
    return this.#values.every((value) => value === 0);
  }
}

/** Bytes in volumes that an entry keeps alive: its record and, where that is a manifest, the extents. */
export function* placesOf(entry: Entry, extents: () => readonly Location[]): IterableIterator<Location> {
  yield entry.record;
  if (!entry.isManifest) return;
  const single = entry.payload;
  if (single !== undefined) yield single;
  else yield* extents();
}

export function addEntry(
  accounts: ClassAccounts,
  table: 'objects' | 'parts',
  entry: Entry,
  sign: 1 | -1,
  bytesStored: number,
): void {
  const account = table === 'parts' ? PARTS_ACCOUNT : entry.class;
  accounts.add(account, sign, sign * entry.size, sign * bytesStored);
}
