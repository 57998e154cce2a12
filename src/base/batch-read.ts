/** Many objects at once: what is asked of a store, and how it hands them out. Part of the contract of object-store.ts. */
import type { GatewayError } from './errors.ts';
import type { BucketName, ObjectKey } from './names.ts';
import type { ObjectInfo } from './object-info.ts';

/** One object, or a range of it, in a batch; its place in the list is its slot. */
export interface BatchRef {
  readonly bucket: BucketName;
  readonly key: ObjectKey;
  /** Half-open; `end` absent: to the end of the object. A range that begins behind the end of the object is an InvalidRange entry. */
  readonly range?: { readonly start: number; readonly end?: number };
  /** The slot fails with this: who asks has refused it already, and `bucket` and `key` may be anything. */
  readonly refused?: GatewayError;
}

export interface BatchOptions {
  /** `completion`: as the bytes come to hand. `strict`: slot by slot. */
  readonly order: 'completion' | 'strict';
  /**
   * A fill that has so many bytes may end, although there is room: what was just read is still in the processor's cache when it is sent.
   * Absent: fills are as full as they can be.
   */
  readonly enoughBytes?: number;
  /** Entries may bring bytes of their own instead of having them put into the buffer: see `BatchEntry.bytes`. */
  readonly takesLoans?: boolean;
  /** May this object be read? Asked before its bytes are; absent: all may. Refused ones are AccessDenied entries. */
  readonly admit?: (slot: number, info: ObjectInfo) => boolean;
  /**
   * Whole objects that are stored as one zstd frame of at most so many bytes may come as that frame, in a single entry; a buffer that is
   * filled must hold as many. Absent: none.
   */
  readonly acceptZstdBytesMax?: number;
}

/** A slice of one slot's bytes, or the slot's failure. */
export interface BatchEntry {
  readonly slot: number;
  /** Bytes of this entry: in the buffer that was filled, or in `bytes`. */
  readonly length: number;
  /** They lie here, in memory of the store that nobody changes, and take no room in the buffer. Only where loans are taken. */
  readonly bytes?: Buffer | undefined;
  /** Where they begin in the object. A slot whose bytes do not fit into one fill spans several entries, in ascending order. */
  readonly offset: number;
  /** True in the last entry of the slot: all its bytes have come, or it failed. */
  readonly isLast: boolean;
  /** CRC-32 (IEEE) of this entry's bytes; with an `encoding` of the object's. */
  readonly crc32: number;
  /** The bytes are one zstd frame of the whole object. Only where it was asked for. */
  readonly encoding?: 'zstd';
  /** Absent when the object is not there or may not be known of. */
  readonly info?: ObjectInfo | undefined;
  /** The slot failed: NoSuchKey, NoSuchBucket, AccessDenied, DataLoss, InvalidRange, StoreFailure. What came before it is void. */
  readonly error?: GatewayError;
}

/** Where a fill puts bytes: memory that need not be there before something is put into it. */
export interface FillRoom {
  readonly length: number;
  /** The same buffer each time, of this length. */
  readonly bytes: Buffer;
}

/** A batch under way: pulled by who sends it, so that a slow receiver costs one buffer. */
export interface BatchRead {
  /**
   * Puts bytes of the next entries one behind the other into `into` from its start, and describes them in that order. All entries
   * together, with what is lent, have at most as many bytes as `into`. Takes what is at hand, up to `entriesMax` entries, and waits for
   * the disk only while it has nothing. An empty list: all slots are served. `into` (64 KiB or more) is in use until the fill has
   * settled. One fill at a time. Rejects only when the signal was aborted (with its reason), or for a bug: the trouble of one slot is
   * an entry.
   */
  fill(into: Buffer, entriesMax: number, signal?: AbortSignal): Promise<readonly BatchEntry[]> | readonly BatchEntry[];
  /** A fill that would not wait; `undefined`: nothing is at hand. Absent where everything has to be waited for. */
  fillNow?(into: FillRoom, entriesMax: number): readonly BatchEntry[] | undefined;
  /** Slots that have not had their last entry, ascending. */
  unserved(): readonly number[];
  /** Slots so far whose bytes were all in memory already. */
  readonly cacheHits: number;
  /** Ends it early; reads under way are forgotten. Idempotent. */
  close(): void;
}
