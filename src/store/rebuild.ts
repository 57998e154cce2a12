/**
 * Makes the index anew from the volumes alone. The volumes are the truth: buckets, uploads, deletes and overwrites are records
 * in them, and the rules of `Applier` give the same result whatever the order in which they are read.
 */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '../base/limits.ts';
import { storedPayloadIsIntact } from '../format/record.ts';
import { SUPERBLOCK_BYTES } from '../format/superblock.ts';
import { Applier } from './applier.ts';
import type { StoreLog } from './committer.ts';
import { IndexDatabase, type VolumeState } from './index-database.ts';
import { manifestReader } from './manifest-reader.ts';
import { indexFolder } from './store-root.ts';
import {
  readFully,
  readSuperblock,
  syncFolder,
  volumeIdOf,
  volumePath,
  volumesFolder,
  type WalkStep,
  walkVolume,
} from './volume-file.ts';
import { VolumeReader } from './volume-reader.ts';

export interface RebuildReport {
  volumes: number;
  records: number;
  objects: number;
  /** Volumes that could not be read at all. */
  readonly unreadable: { readonly path: string; readonly reason: string }[];
  /** Damaged stretches, in bytes. */
  damagedBytes: number;
}

/** Records of one transaction. */
const BATCH = 2000;
/** A group, and its last record beyond the limit. */
const TORN_BYTES_MAX = LIMITS.groupBytesMax + LIMITS.manifestBytesMax;

export function volumeFiles(root: string): { id: number; path: string }[] {
  if (!existsSync(volumesFolder(root))) return [];
  return readdirSync(volumesFolder(root))
    .map(volumeIdOf)
    .filter((id) => id !== undefined)
    .sort((a, b) => a - b)
    .map((id) => ({ id, path: volumePath(root, id) }));
}

/** Nobody else may have the store open. The old index is kept as `index.old` until the new one is in its place. */
export async function rebuildIndex(root: string, log: StoreLog): Promise<RebuildReport> {
  const folder = indexFolder(root);
  const fresh = join(root, 'index.new');
  const old = join(root, 'index.old');
  rmSync(fresh, { recursive: true, force: true });
  const index = IndexDatabase.open(fresh, 'write');
  const reader = new VolumeReader(root);
  let report: RebuildReport;
  try {
    report = new Rebuild(root, index, reader, log).run();
  } finally {
    reader.close();
    await index.close();
  }
  rmSync(old, { recursive: true, force: true });
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(fresh, folder);
  syncFolder(root);
  rmSync(old, { recursive: true, force: true });
  return report;
}

class Rebuild {
  readonly #root: string;
  readonly #index: IndexDatabase;
  readonly #applier: Applier;
  readonly #log: StoreLog;
  readonly #report: RebuildReport = { volumes: 0, records: 0, objects: 0, unreadable: [], damagedBytes: 0 };
  #newest = 0;

  constructor(root: string, index: IndexDatabase, reader: VolumeReader, log: StoreLog) {
    this.#root = root;
    this.#index = index;
    this.#log = log;
    this.#applier = new Applier(index, manifestReader(reader), 'rebuild');
  }

  run(): RebuildReport {
    const files = volumeFiles(this.#root);
    for (const { id, path } of files) this.#volume(id, path);
    this.#applier.finishRebuild((work) => this.#index.transaction(work));
    this.#index.transaction(() => {
      this.#applier.settle();
      this.#index.setNumber('clock', this.#newest);
      // All graves are forgotten.
      this.#index.setGraveHorizon(this.#newest + 1);
      this.#index.setNumber('next-volume', (files.at(-1)?.id ?? 0) + 1);
    });
    this.#report.objects = this.#index.objectStats().entries;
    return this.#report;
  }

  #volume(id: number, path: string): void {
    const fd = openSync(path, 'r');
    try {
      const length = fstatSync(fd).size;
      const found = length < SUPERBLOCK_BYTES ? undefined : readSuperblock(fd, path);
      if (found === undefined || found.superblock.volumeId !== id) {
        const reason =
          length < SUPERBLOCK_BYTES
            ? 'it is shorter than a superblock'
            : found === undefined
              ? 'both copies of its superblock are damaged'
              : `it is volume ${found.superblock.volumeId} under a wrong name`;
        this.#report.unreadable.push({ path, reason });
        this.#log.error({ path, reason }, 'a volume cannot be read; its objects are not in the new index');
        return;
      }
      this.#report.volumes++;
      this.#records(fd, id, found.superblock.volumeUuid, length);
    } finally {
      closeSync(fd);
    }
  }

  #records(fd: number, id: number, uuid: Buffer, length: number): void {
    const steps = sound(fd, uuid, length);
    let state: VolumeState = {
      id,
      uuid: uuid.toString('hex'),
      owner: '',
      end: SUPERBLOCK_BYTES,
      live: 0,
      oldest: Number.MAX_SAFE_INTEGER,
      sealed: true,
      damaged: false,
    };
    for (let done = false; !done; ) {
      this.#index.transaction(() => {
        for (let i = 0; i < BATCH && !done; i++) {
          const { value: step, done: atEnd } = steps.next();
          if (atEnd === true) {
            done = true;
          } else if (step.kind === 'damage') {
            // At the end of a volume it is the torn tail of a crash; in the middle it is damage.
            const isTail = step.end === length;
            if (!isTail) this.#report.damagedBytes += step.end - step.offset;
            else
              this.#log.warn({ volume: id, from: step.offset, to: step.end }, 'the torn end of a volume is left out');
            state = { ...state, damaged: true };
          } else {
            this.#report.records++;
            this.#newest = Math.max(this.#newest, step.head.timestamp);
            this.#applier.apply(step.head, { volume: id, offset: step.offset, headLength: step.headLength });
            state = { ...state, end: step.offset + step.length, oldest: Math.min(state.oldest, step.head.timestamp) };
          }
        }
        this.#index.setVolume(state);
      });
    }
  }
}

/**
 * The records of a volume, without the torn end of a write that a crash cut short: its head may be whole and its payload not,
 * and such a record must not replace the one before it. Only the last group can be torn, so only there payloads are read; one
 * that is damaged counts as torn when nothing whole follows it.
 */
function* sound(fd: number, uuid: Buffer, length: number): IterableIterator<WalkStep> {
  let held: WalkStep[] = [];
  for (const step of walkVolume(fd, { uuid, start: SUPERBLOCK_BYTES, end: length, payloads: false })) {
    const mayBeTorn = step.kind === 'damage' || step.offset + step.length > length - TORN_BYTES_MAX;
    if (mayBeTorn && !(step.kind === 'record' && isWhole(fd, step))) {
      held.push(step);
      continue;
    }
    yield* held;
    held = [];
    yield step;
  }
  const [first] = held;
  if (first !== undefined) yield { kind: 'damage', offset: first.offset, end: length };
}

function isWhole(fd: number, { head, offset, headLength }: WalkStep & { kind: 'record' }): boolean {
  const payload = readFully(fd, offset + headLength, head.payloadLength);
  return payload.length === head.payloadLength && storedPayloadIsIntact(head, payload);
}
