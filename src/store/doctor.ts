/**
 * Reads every record of every volume and says what is damaged, by the names of the objects. Reads only, so it also runs beside
 * a gateway that serves: it looks no further than the index vouches for, and a volume that compaction removes meanwhile is
 * no finding.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import type { Coder } from '../codec/object-coding.ts';
import { Entry } from '../format/index-entry.ts';
import { keyOfIndexKey, splitUploadKey } from '../format/index-key.ts';
import { decodeManifest, type Location } from '../format/manifest.ts';
import { SUPERBLOCK_BYTES } from '../format/superblock.ts';
import { scanAccounts } from './account-scan.ts';
import { ACCOUNTS, type ClassAccounts } from './class-accounts.ts';
import { CodedCheck, type CodedFault } from './doctor-coded.ts';
import type { IndexDatabase, VolumeState } from './index-database.ts';
import { readSuperblock, volumePath, walkVolume } from './volume-file.ts';
import { VolumeReader } from './volume-reader.ts';

export interface DamagedObject {
  readonly bucket: string;
  readonly key: string;
  readonly reason: string;
}

export interface DoctorReport {
  volumes: number;
  records: number;
  bytes: number;
  /** Bytes that nothing needs, for compaction to give back. */
  deadBytes: number;
  /** What is wrong with volumes, one sentence each. */
  readonly volumeFaults: string[];
  readonly damaged: DamagedObject[];
  /** Where the index does not add up; a rebuild mends it. */
  readonly indexFaults: string[];
  objects: number;
}

export type DoctorProgress = (done: { volume: number; volumes: number; bytes: number; bytesTotal: number }) => void;

/** Names beyond this are counted, not kept. */
const DAMAGED_MAX = 10_000;
const FIRST_KEY = Buffer.from([0]);

/** Half-open stretch of a volume. */
interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** @param coder decodes every coded payload too; it stays the caller's */
export async function examineStore(
  root: string,
  index: IndexDatabase,
  onProgress: DoctorProgress = () => {},
  coder?: Coder,
): Promise<DoctorReport> {
  const examination = new Examination(root, index, coder);
  return examination.run(onProgress);
}

class Examination {
  readonly #root: string;
  readonly #index: IndexDatabase;
  readonly #reader: VolumeReader;
  readonly #coder: Coder | undefined;
  readonly #bad = new Map<number, Stretch[]>();
  readonly report: DoctorReport = {
    volumes: 0,
    records: 0,
    bytes: 0,
    deadBytes: 0,
    volumeFaults: [],
    damaged: [],
    indexFaults: [],
    objects: 0,
  };

  constructor(root: string, index: IndexDatabase, coder: Coder | undefined) {
    this.#root = root;
    this.#index = index;
    this.#coder = coder;
    this.#reader = new VolumeReader(root);
  }

  async run(onProgress: DoctorProgress): Promise<DoctorReport> {
    const volumes = this.#index.volumes();
    const bytesTotal = volumes.reduce((sum, v) => sum + v.end, 0);
    for (const [i, volume] of volumes.entries()) {
      await this.#volume(volume);
      onProgress({ volume: i + 1, volumes: volumes.length, bytes: this.report.bytes, bytesTotal });
    }
    this.#nameObjects();
    this.#accounts();
    this.#reader.close();
    return this.report;
  }

  async #volume(volume: VolumeState): Promise<void> {
    const path = volumePath(this.#root, volume.id);
    let fd: number;
    try {
      fd = openSync(path, 'r');
    } catch (error) {
      if (this.#isGone(volume)) return;
      this.#fault(volume.id, `cannot be opened: ${(error as Error).message}`, {
        start: 0,
        end: Number.MAX_SAFE_INTEGER,
      });
      return;
    }
    try {
      await this.#records(fd, volume, path);
    } finally {
      closeSync(fd);
    }
  }

  /** Compacted since the list of volumes was read, or granted and not yet made. */
  #isGone(volume: VolumeState): boolean {
    this.#index.refresh();
    const current = this.#index.volume(volume.id);
    return current === undefined || current.dropped === true || current.end <= SUPERBLOCK_BYTES;
  }

  async #records(fd: number, volume: VolumeState, path: string): Promise<void> {
    const { report } = this;
    report.volumes++;
    const length = fstatSync(fd).size;
    this.#superblock(fd, volume, path);
    if (length < volume.end)
      this.#fault(volume.id, `has ${length} bytes where the index expects ${volume.end}; the end is lost`, {
        start: length,
        end: volume.end,
      });
    const end = Math.min(length, volume.end);
    report.bytes += end;
    report.deadBytes += Math.max(0, volume.end - SUPERBLOCK_BYTES - volume.live);
    const coded = new CodedCheck(fd, this.#coder);
    let steps = 0;
    for (const step of walkVolume(fd, {
      uuid: Buffer.from(volume.uuid, 'hex'),
      start: SUPERBLOCK_BYTES,
      end,
      payloads: true,
    })) {
      if (step.kind === 'damage')
        this.#fault(volume.id, `is damaged from byte ${step.offset} to ${step.end}`, {
          start: step.offset,
          end: step.end,
        });
      else {
        report.records++;
        if (step.payloadIntact === true) this.#codedFaults(volume.id, await coded.add(step));
        else
          this.#fault(volume.id, `has a damaged payload in the record at byte ${step.offset}`, {
            start: step.offset,
            end: step.offset + step.length,
          });
      }
      if (++steps % 256 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#codedFaults(volume.id, await coded.end());
    this.#knownDictionaries(volume, coded.dictionaryIds);
  }

  #codedFaults(volume: number, faults: readonly CodedFault[]): void {
    for (const { record, what } of faults)
      this.#fault(volume, what, { start: record.offset, end: record.offset + record.length });
  }

  #knownDictionaries(volume: VolumeState, ids: Iterable<number>): void {
    this.#index.refresh();
    const unknown = [...ids].filter((id) => this.#index.dictionary(volume.id, id) === undefined);
    if (unknown.length === 0 || this.#isGone(volume)) return;
    this.report.indexFaults.push(`${unknown.length} dictionaries of volume ${volume.id} are not known`);
  }

  #superblock(fd: number, { id, uuid }: VolumeState, path: string): void {
    try {
      const found = readSuperblock(fd, path);
      if (found === undefined)
        this.#fault(
          id,
          'has a superblock of which both copies are damaged; its records can be read while the index has its uuid',
        );
      else if (found.superblock.volumeId !== id || found.superblock.volumeUuid.toString('hex') !== uuid)
        this.#fault(id, 'has the superblock of another volume');
      else if (found.damagedCopy)
        this.#fault(id, 'has a superblock of which one of the two copies is damaged; the other one serves');
    } catch (error) {
      this.#fault(id, `has a superblock that this release cannot read: ${(error as Error).message}`);
    }
  }

  #fault(volume: number, what: string, stretch?: Stretch): void {
    if (this.report.volumeFaults.length < DAMAGED_MAX) this.report.volumeFaults.push(`volume ${volume} ${what}`);
    if (stretch === undefined) return;
    const stretches = this.#bad.get(volume);
    if (stretches === undefined) this.#bad.set(volume, [stretch]);
    else stretches.push(stretch);
  }

  /** Objects, and parts of unfinished uploads, whose bytes lie in what was found damaged, or in volumes that are not there. */
  #nameObjects(): void {
    const buckets = new Map(this.#index.buckets().map((b) => [b.id, b.name]));
    const known = this.#knownVolumes();
    const name = (indexKey: Buffer, key: Buffer, reason: string): void => {
      if (this.report.damaged.length >= DAMAGED_MAX) return;
      const bucket = buckets.get(indexKey.readUInt32BE(0)) ?? '?';
      this.report.damaged.push({ bucket, key: key.toString(), reason });
    };
    const suspects: Buffer[] = [];
    for (const { key, value } of this.#index.range('objects', FIRST_KEY, undefined)) {
      this.report.objects++;
      if (this.#damageOf(new Entry(value), known) !== undefined && suspects.length < DAMAGED_MAX) suspects.push(key);
    }
    for (const key of suspects) {
      // Looked up again: a writer or compaction may have moved it while the table was read.
      const entry = this.#index.object(key);
      const reason = entry === undefined ? undefined : this.#damageOf(entry, this.#knownVolumes());
      if (reason !== undefined) name(key, keyOfIndexKey(key), reason);
    }
    for (const upload of this.#index.range('uploads', FIRST_KEY, undefined)) {
      const { key, uploadId } = splitUploadKey(upload.key);
      for (const { value } of this.#index.prefixed('parts', uploadId)) {
        const part = new Entry(value);
        const reason = this.#damageOf(part, known);
        if (reason !== undefined)
          name(upload.key, key, `part ${part.partCount} of upload ${uploadId.toString('hex')}: ${reason}`);
      }
    }
  }

  /** Whether the accounts are what the entries add up to, in one snapshot; where a manifest cannot be read, nobody can say. */
  #accounts(): void {
    this.#index.refresh();
    const accounts = this.#index.accounts();
    if (accounts === undefined) return;
    let counted: ClassAccounts;
    try {
      counted = scanAccounts(this.#index, (entry) => decodeManifest(this.#reader.readNow(entry.record)).extents);
    } catch {
      return;
    }
    for (let account = 0; account < ACCOUNTS; account++) {
      const [said, real] = [accounts.of(account), counted.of(account)].map((a) => JSON.stringify(a));
      if (said !== real)
        this.report.indexFaults.push(`account ${account} says ${said}, and the entries add up to ${real}`);
    }
  }

  #knownVolumes(): ReadonlySet<number> {
    return new Set(this.#index.volumes().map((v) => v.id));
  }

  #damageOf(entry: Entry, known: ReadonlySet<number>): string | undefined {
    const own = this.#damageAt(entry.record, known);
    if (own !== undefined) return own;
    const single = entry.payload;
    if (single !== undefined) return this.#damageAt(single, known);
    if (entry.size === 0) return undefined;
    try {
      for (const extent of decodeManifest(this.#reader.readNow(entry.record)).extents) {
        const reason = this.#damageAt(extent, known);
        if (reason !== undefined) return reason;
      }
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #damageAt(at: Location, known: ReadonlySet<number>): string | undefined {
    if (!known.has(at.volume)) return `it lies in volume ${at.volume}, which is missing`;
    const end = at.offset + at.headLength + at.length;
    const hit = this.#bad.get(at.volume)?.find((s) => s.start < end && at.offset < s.end);
    return hit === undefined ? undefined : `volume ${at.volume}, record at byte ${at.offset}`;
  }
}
