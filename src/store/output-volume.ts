/**
 * A volume that the keeper copies records to, for compaction and coding. Promises: what was appended becomes part of the store with `commit`,
 * inside the transaction that points the index at it and after a flush; what was not committed is cut off at the end, and after a crash by
 * the next keeper. Dictionaries that records name are in the volume before them.
 *
 * The hardest decision: manifests that name the copies are written here too, and not to the volume of decisions. A crash before the commit
 * leaves both or neither; in two files, the next keeper would apply the manifest from the one and cut off what it names from the other.
 */
import { closeSync, fdatasync, fdatasyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { type Location, locationOf } from '../format/manifest.ts';
import { encodeRecordHead, RECORD_KIND, type RecordHead, recordHead, recordLength } from '../format/record.ts';
import type { VolumeGrant } from './committer.ts';
import type { KeeperHost } from './keeper-host.ts';
import type { RelocationTools } from './relocator.ts';
import { createVolumeFile, readFully, volumePath } from './volume-file.ts';

const fdatasyncAsync = promisify(fdatasync);

/** Who owns the volumes that the keeper copies to. What is behind the end of one was copied and not committed. */
export const OUTPUT_SESSIONS = { compaction: 'compactor', coding: 'coding' } as const;

export function isOutput(owner: string): boolean {
  return owner === OUTPUT_SESSIONS.compaction || owner === OUTPUT_SESSIONS.coding;
}

/** A dictionary as it is stored: the bytes themselves, or one zstd frame of them. */
export interface StoredDictionary {
  readonly id: number;
  readonly codec: number;
  readonly stored: Buffer;
  /** Bytes before the codec, and their CRC-32. */
  readonly size: number;
  readonly crc: number;
}

export class OutputVolume {
  readonly #keeper: KeeperHost;
  readonly #grant: VolumeGrant;
  readonly #fd: number;
  #end: number;
  #flushed: number;
  #oldest = Number.MAX_SAFE_INTEGER;
  /** In the file, and not yet in the index. */
  #newDictionaries: { readonly id: number; readonly location: Location }[] = [];
  readonly #dictionaries = new Map<number, Location>();
  /** Everything before was looked at for coding. */
  #codedTo: number | undefined;

  private constructor(keeper: KeeperHost, grant: VolumeGrant, fd: number) {
    this.#keeper = keeper;
    this.#grant = grant;
    this.#fd = fd;
    this.#end = grant.end;
    this.#flushed = grant.end;
    for (const { id, location } of keeper.index.dictionaries(grant.id)) this.#dictionaries.set(id, location);
    const codedTo = keeper.index.volume(grant.id)?.codedTo;
    this.#codedTo = grant.isNew || codedTo === grant.end ? grant.end : undefined;
  }

  static open(keeper: KeeperHost, session: string): OutputVolume {
    const grant = keeper.openVolume(session);
    keeper.reserved.add(grant.id);
    const superblock = {
      volumeId: grant.id,
      volumeUuid: grant.uuid,
      storeUuid: grant.storeUuid,
      createdMs: keeper.clock.now(),
    };
    try {
      const fd = grant.isNew
        ? createVolumeFile(keeper.root, superblock)
        : openSync(volumePath(keeper.root, grant.id), 'r+');
      return new OutputVolume(keeper, grant, fd);
    } catch (error) {
      keeper.reserved.delete(grant.id);
      keeper.sealVolume(grant.id, grant.end, true);
      throw error;
    }
  }

  get id(): number {
    return this.#grant.id;
  }

  hasRoom(bytes: number): boolean {
    return this.#end + bytes <= this.#keeper.volumeBytesMax;
  }

  /** The record at the end of the file, not flushed. */
  append(head: RecordHead, payload: Buffer): Location {
    const offset = this.#end;
    const bytes = encodeRecordHead(head, this.#grant.uuid, offset);
    const length = recordLength(bytes.length, payload.length);
    const record = Buffer.alloc(length);
    bytes.copy(record);
    payload.copy(record, bytes.length);
    for (let done = 0; done < length; ) done += writeSync(this.#fd, record, done, length - done, offset + done);
    this.#end += length;
    this.#oldest = Math.min(this.#oldest, head.timestamp);
    if (isExamined(head) && this.#codedTo === offset) this.#codedTo = this.#end;
    return locationOf(head, { volume: this.id, offset, headLength: bytes.length });
  }

  /** Brings a dictionary here unless it is. False when there is another one of its id: then nothing that needs it can be here. */
  addDictionary(dictionary: StoredDictionary): boolean {
    const known = this.#dictionaries.get(dictionary.id);
    if (known !== undefined) return this.#isSame(known, dictionary);
    const head = recordHead({
      kind: RECORD_KIND.dictionary,
      codec: dictionary.codec,
      dictionaryId: dictionary.id,
      payloadLength: dictionary.stored.length,
      payloadCrc: dictionary.crc,
      size: dictionary.size,
      timestamp: this.#keeper.clock.now() * 1024,
      key: Buffer.from(dictionary.id.toString(16).padStart(8, '0')),
    });
    const location = this.append(head, dictionary.stored);
    this.#dictionaries.set(dictionary.id, location);
    this.#newDictionaries.push({ id: dictionary.id, location });
    return true;
  }

  #isSame(known: Location, { codec, stored, size, crc }: StoredDictionary): boolean {
    if (known.codec !== codec || known.length !== stored.length || known.size !== size || known.crc !== crc)
      return false;
    return readFully(this.#fd, known.offset + known.headLength, known.length).equals(stored);
  }

  async flush(): Promise<void> {
    const end = this.#end;
    await fdatasyncAsync(this.#fd);
    this.#flushed = end;
  }

  /** What was appended belongs to the store. Inside a transaction, which waits for the disk unless all was flushed before. */
  commit({ index, keepDictionary }: RelocationTools): void {
    if (this.#flushed < this.#end) fdatasyncSync(this.#fd);
    this.#flushed = this.#end;
    const state = index.volume(this.id);
    if (state === undefined) throw new Error(`volume ${this.id} is written to, and the index does not know it`);
    const codedTo = this.#codedTo === undefined ? {} : { codedTo: this.#codedTo };
    index.setVolume({ ...state, end: this.#end, oldest: Math.min(state.oldest, this.#oldest), ...codedTo });
    for (const { id, location } of this.#newDictionaries) keepDictionary(id, location);
    this.#newDictionaries = [];
  }

  /** Cuts off what was not committed, and gives the volume back. */
  close(): void {
    const { index, reserved } = this.#keeper;
    const end = index.volume(this.id)?.end ?? this.#end;
    try {
      ftruncateSync(this.#fd, end);
      closeSync(this.#fd);
    } finally {
      reserved.delete(this.id);
      this.#keeper.sealVolume(this.id, end, false);
    }
  }
}

/** Nobody needs to look at it for coding: only objects have a class that may not be known. */
function isExamined({ kind, class: known }: RecordHead): boolean {
  return known !== 0 || (kind !== RECORD_KIND.object && kind !== RECORD_KIND.manifest);
}
