/**
 * The keeper: the only writer of the index. It takes submissions of all workers, applies everything that waits in one flushed
 * LMDB transaction, and answers. Inside that transaction it also decides conditional writes and appends their records to its
 * own volume (flushed before the commit), so that volumes and index agree at every moment.
 *
 * Why one process: two processes that commit to one LMDB environment can lose it to `MDB_PANIC` when one is killed inside a
 * commit. Killed alone, the keeper loses nothing: the next one replays its volume's tail, and workers submit again what they
 * have no answer for; a session's last reply is kept in the index, so that nothing is applied twice.
 */

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import type { Clock } from '../base/clock.ts';
import type { Coder, Profile } from '../codec/object-coding.ts';
import type { Entry } from '../format/index-entry.ts';
import type { Location, Manifest } from '../format/manifest.ts';
import { decodeRecordHead, type RecordHead } from '../format/record.ts';
import { scanAccounts } from './account-scan.ts';
import { Applier, type ManifestReader, type RecordPlace } from './applier.ts';
import { CodingPass } from './coding-pass.ts';
import {
  HEAD_OUTCOME,
  type HeadOutcome,
  type IndexCommitter,
  type KeeperEvents,
  type StoreLog,
  type Submission,
  type SubmissionReply,
  type VolumeGrant,
} from './committer.ts';
import { Compactor } from './compactor.ts';
import { Decider } from './decider.ts';
import { diskFailure, troubleUnderIndex } from './disk-trouble.ts';
import { GraveKeeper } from './grave-keeper.ts';
import type { IndexDatabase, VolumeState } from './index-database.ts';
import { KEEPER_SESSION, type KeeperHost } from './keeper-host.ts';
import { KeeperVolume } from './keeper-volume.ts';
import { manifestReader } from './manifest-reader.ts';
import { openIndex } from './open-index.ts';
import { Recovery } from './recovery.ts';
import type { MoveOutput, RelocationTools } from './relocator.ts';
import { diskSpace, openStoreRoot, volumeBytesFor } from './store-root.ts';
import { type StoreStats, storeStatsOf } from './store-stats.ts';
import { syncFolder, volumePath, volumesFolder } from './volume-file.ts';
import { VolumeGrants } from './volume-grants.ts';
import { VolumeReader } from './volume-reader.ts';
import { allRefused } from './write-refusal.ts';

export interface KeeperOptions {
  readonly root: string;
  readonly clock: Clock;
  readonly log: StoreLog;
  /** Sessions of workers that are alive: their volumes are theirs. All others' tails are replayed. */
  readonly aliveSessions?: readonly string[];
  /** Codes in the background what is stored raw; it stays the caller's. Absent: nothing is coded. */
  readonly coder?: Coder;
  readonly profile?: Profile;
  /**
   * Called when the disk failed under the index: LMDB is beyond use then, and what was being committed may be there or not. Nobody
   * gets an answer any more; the process must end, so that the next keeper finds out and the workers ask it.
   */
  readonly onBroken?: (error: unknown) => void;
}

interface Waiting {
  readonly session: string;
  readonly submission: Submission;
  readonly resolve: (reply: SubmissionReply) => void;
  readonly reject: (error: unknown) => void;
}

/** Submissions of one transaction. Each holds at most 1,024 heads and 256 decisions. */
const BATCH_MAX = 64;

export class Keeper implements KeeperHost {
  readonly index: IndexDatabase;
  readonly root: string;
  readonly clock: Clock;
  readonly log: StoreLog;
  readonly volumeBytesMax: number;
  readonly #applier: Applier;
  readonly #decider: Decider;
  readonly #reader: VolumeReader;
  readonly #volume: KeeperVolume;
  readonly compactor: Compactor;
  readonly coding: CodingPass | undefined;
  readonly #recovery: Recovery;
  readonly #grants: VolumeGrants;
  readonly readManifest: ManifestReader;
  readonly #graves: GraveKeeper;
  readonly #events = new Map<string, KeeperEvents>();
  #queue: Waiting[] = [];
  #scheduled = false;
  #newest: number;
  #isBroken = false;
  #tidying: Promise<void> | undefined;
  #isStopping = false;
  readonly stats = { transactions: 0, heads: 0, decisions: 0, commitMs: 0 };

  private constructor(options: KeeperOptions, storeUuid: Buffer, index: IndexDatabase) {
    this.root = options.root;
    this.clock = options.clock;
    this.log = options.log;
    this.index = index;
    index.onFailure = (error) => {
      if (this.#isBroken || troubleUnderIndex(error, this.root) !== 'broken') return;
      this.#isBroken = true;
      this.log.error(
        { error: String(error) },
        'the disk failed under the index; the keeper must end, and another one take over',
      );
      options.onBroken?.(error);
    };
    this.volumeBytesMax = volumeBytesFor(diskSpace(options.root).totalBytes);
    this.#graves = new GraveKeeper(index, options.clock);
    this.#newest = Math.max(index.number('clock') ?? 0, this.#graves.horizon);
    this.#reader = new VolumeReader(options.root);
    this.readManifest = manifestReader(this.#reader);
    this.#applier = new Applier(index, this.readManifest, 'live', () => this.#graves.horizon);
    this.#volume = new KeeperVolume(this);
    this.#decider = new Decider(index, this.#applier, (...record) => this.#write(...record), this.readManifest);
    this.#grants = new VolumeGrants({
      root: this.root,
      storeUuid,
      index,
      log: this.log,
      volumeBytesMax: this.volumeBytesMax,
      newest: () => this.#newest,
    });
    this.coding = options.coder && new CodingPass(this, options.coder, options.profile ?? 'default');
    this.compactor = new Compactor(this, (volume) => this.coding?.volume(volume) ?? Promise.resolve());
    this.#recovery = new Recovery({
      root: this.root,
      storeUuid,
      index,
      log: this.log,
      applier: this.#applier,
      transact: (work) => this.#transact(work),
      saw: (timestamp) => {
        this.#newest = Math.max(this.#newest, timestamp);
      },
      dropVolume: (volume) => this.dropVolume(volume),
    });
  }

  /** Opens the store for writing and brings the index up to date with the volumes; a lost index is made anew. */
  static async open(options: KeeperOptions): Promise<Keeper> {
    const { uuid } = openStoreRoot(options.root);
    const keeper = new Keeper(options, uuid, await openIndex(options.root, options.log));
    keeper.#openAccounts();
    keeper.#recovery.run(new Set(options.aliveSessions ?? []));
    return keeper;
  }

  /** A release without accounts wrote last: they are added up once. */
  #openAccounts(): void {
    const { index } = this;
    if (index.accounts() !== undefined) return;
    const extentsOf = (entry: Entry): readonly Location[] => this.#applier.extentsOf(entry);
    index.transaction(() => index.setAccounts(scanAccounts(index, extentsOf)));
  }

  /** A committer for a worker in this process. */
  session(id: string): IndexCommitter {
    return {
      openVolume: () => Promise.resolve(this.openVolume(id)),
      submit: (submission) => this.submit(id, submission),
      sealVolume: (volume, end, damaged) => Promise.resolve(this.#grants.sealOwn(id, volume, end, damaged)),
      subscribe: (events) => void this.#events.set(id, events),
    };
  }

  /** Gives space back and codes, until neither is worth it. Calls while one runs join it. */
  tidy(): Promise<void> {
    this.#tidying ??= this.#tidy().finally(() => {
      this.#tidying = undefined;
    });
    return this.#tidying;
  }

  async #tidy(): Promise<void> {
    let isMore = true;
    while (isMore && !this.#isStopping) {
      await this.compactor.run();
      isMore = (await this.coding?.run()) ?? false;
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.coding?.stop();
    await this.compactor.stop();
    await this.#tidying;
    while (this.#queue.length > 0) await new Promise((resolve) => setImmediate(resolve));
    this.#volume.seal();
    this.#reader.close();
    await this.index.close();
  }

  /** Puts a record into the keeper's own volume and applies it, within a transaction. */
  #write(head: RecordHead, payload: Buffer, manifest: Manifest | undefined): void {
    const stamped = { ...head, timestamp: this.#nextTimestamp() };
    this.#mustApply(stamped, this.#volume.append(stamped, payload), manifest);
  }

  #mustApply(head: RecordHead, at: RecordPlace, manifest: Manifest | undefined): void {
    const outcome = this.#applier.apply(head, at, manifest);
    assert(outcome === HEAD_OUTCOME.applied, `a record of kind ${head.kind} had no effect: outcome ${outcome}`);
  }

  readStored(location: Location): Promise<Buffer> {
    return this.#reader.readCold(location);
  }

  relocate(output: MoveOutput | undefined, work: (tools: RelocationTools) => void): void {
    this.#transact(() => {
      const tools: RelocationTools = {
        index: this.index,
        readManifest: this.readManifest,
        write: (head, payload, manifest) => {
          if (output === undefined) throw new Error(`no volume is open for a moved record of kind ${head.kind}`);
          const stamped = { ...head, timestamp: this.#nextTimestamp() };
          this.#mustApply(stamped, output.append(stamped, payload), manifest);
        },
        addLive: (volume, bytes) => this.#applier.addLive(volume, bytes),
        replace: (...entry) => this.#applier.replace(...entry),
        keepDictionary: (id, location) => this.#applier.keepDictionary(id, location),
      };
      work(tools);
      output?.commit(tools);
    });
  }

  // --- submissions ---

  submit(session: string, submission: Submission): Promise<SubmissionReply> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ session, submission, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.#run());
    });
  }

  #run(): void {
    this.#scheduled = false;
    const batch = this.#queue.slice(0, BATCH_MAX);
    this.#queue = this.#queue.slice(BATCH_MAX);
    if (this.#queue.length > 0) {
      this.#scheduled = true;
      setImmediate(() => this.#run());
    }
    this.#commit(batch);
    this.#sweepGraves();
  }

  #sweepGraves(): void {
    try {
      this.#graves.sweep();
      // A writer that was refused for its old timestamp gets a newer one from this clock.
      this.#newest = Math.max(this.#newest, this.#graves.horizon);
    } catch (error) {
      this.log.warn({ error: String(error) }, 'old deletes could not be forgotten; it is tried again');
    }
  }

  /** One transaction for all; when it fails, one for each, so that a bad one fails alone. */
  #commit(batch: readonly Waiting[]): void {
    const started = performance.now();
    try {
      const replies = this.#transact(() => batch.map((waiting) => this.#apply(waiting.session, waiting.submission)));
      for (const [i, waiting] of batch.entries()) waiting.resolve(replies[i] as SubmissionReply);
    } catch (error) {
      if (batch.length > 1) {
        for (const waiting of batch) this.#commit([waiting]);
        return;
      }
      this.#refuse(batch[0] as Waiting, error);
    }
    this.stats.transactions++;
    this.stats.commitMs += performance.now() - started;
  }

  /** Runs work in a flushed transaction, with the keeper's own volume flushed before the commit. */
  #transact<T>(work: () => T): T {
    try {
      return this.index.transaction(() => {
        const result = work();
        this.#volume.flush();
        this.#applier.settle();
        this.index.setNumber('clock', this.#newest);
        return result;
      });
    } catch (error) {
      this.#applier.reset();
      this.#volume.abandon();
      throw error;
    }
  }

  #refuse(waiting: Waiting, error: unknown): void {
    if (this.#isBroken) return; // whether it is stored only the next keeper can tell
    const failure = diskFailure(error, this.root);
    const full = troubleUnderIndex(error, this.root) === 'full';
    this.log.error(
      { session: waiting.session, error: String(error) },
      'a transaction of the index failed; nothing of it was stored',
    );
    waiting.resolve(allRefused(waiting.submission, { full, message: failure.message, clock: this.#newest }));
  }

  #apply(session: string, submission: Submission): SubmissionReply {
    const known = this.index.session(session);
    if (known !== undefined) {
      const last = deserialize(known) as { sequence: number; reply: SubmissionReply };
      if (last.sequence === submission.sequence) return last.reply;
    }
    const heads = submission.group === undefined ? [] : this.#applyGroup(submission.group);
    const nowMs = this.clock.now();
    const decisions = submission.decisions.map((decision) => this.#decider.decide(decision, nowMs));
    const reply: SubmissionReply = { heads, decisions, clock: this.#newest };
    this.index.setSession(session, serialize({ sequence: submission.sequence, reply }));
    this.stats.heads += heads.length;
    this.stats.decisions += decisions.length;
    return reply;
  }

  #applyGroup(group: NonNullable<Submission['group']>): HeadOutcome[] {
    const volume = this.index.volume(group.volume);
    if (volume === undefined) throw new Error(`volume ${group.volume} was never granted`);
    const uuid = Buffer.from(volume.uuid, 'hex');
    let oldest = volume.oldest;
    const outcomes = group.heads.map((bytes, i) => {
      const offset = group.offsets[i] as number;
      // Over the socket bytes come as plain views.
      const head = decodeRecordHead(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), uuid, offset);
      if (head === undefined) throw new Error(`a submitted head of volume ${group.volume} at ${offset} is damaged`);
      oldest = Math.min(oldest, head.timestamp);
      this.#newest = Math.max(this.#newest, head.timestamp);
      return this.#applier.apply(head, { volume: group.volume, offset, headLength: bytes.length });
    });
    this.index.setVolume({ ...volume, end: Math.max(volume.end, group.end), oldest });
    return outcomes;
  }

  #nextTimestamp(): number {
    this.#newest = Math.max(this.clock.now() * 1024, this.#newest + 1);
    return this.#newest;
  }

  // --- volumes ---

  openVolume(session: string): VolumeGrant {
    return this.#grants.open(session);
  }

  /** No record will follow; what lies behind the end is cut off when a write to it failed. */
  sealVolume(id: number, end: number, damaged: boolean): void {
    this.#grants.seal(id, end, damaged);
  }

  /** Volumes that compaction reads or writes: not granted. */
  get reserved(): Set<number> {
    return this.#grants.reserved;
  }

  /** Removes a volume that nothing needs. A crash between the steps is finished by the next start. */
  dropVolume(volume: VolumeState): void {
    const { id } = volume;
    this.index.transaction(() => this.index.setVolume({ ...volume, dropped: true }));
    rmSync(volumePath(this.root, id), { force: true });
    // A file that came back after a power cut would bring back what later deletes have ended and are forgotten for.
    syncFolder(volumesFolder(this.root));
    this.#transact(() => {
      this.#applier.dropDictionaries(id);
      this.index.removeVolume(id);
    });
    this.#reader.drop(id);
    for (const events of this.#events.values()) events.volumeDropped(id);
  }

  wantSealed(volume: VolumeState): void {
    if (volume.owner === KEEPER_SESSION) this.#volume.seal();
    else this.#events.get(volume.owner)?.sealWanted(volume.id);
  }

  storeStats(): StoreStats {
    return storeStatsOf(this.index, this.root);
  }

  // --- recovery ---

  /** The worker is gone: what it appended and nobody acknowledged is applied, and its volumes are free for others. */
  workerExited(session: string): void {
    this.#events.delete(session);
    this.#recovery.session(session);
  }
}
