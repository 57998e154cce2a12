/** What the keeper does by itself: compaction, coding, and the end of uploads that nobody finished. */
import { LIMITS } from '../base/limits.ts';
import { splitUploadKey } from '../format/index-key.ts';
import type { Decision } from './committer.ts';
import type { Keeper } from './keeper.ts';

const TIDY_EVERY_MS = 5000;
const EXPIRE_EVERY_MS = 10 * 60_000;
const EXPIRE_MAX = 256;

export class Maintenance {
  readonly #keeper: Keeper;
  readonly #uploadExpiryMs: number;
  #timers: NodeJS.Timeout[] = [];
  #sequence = 0;

  constructor(keeper: Keeper, uploadExpiryMs: number = LIMITS.uploadExpiryMs) {
    this.#keeper = keeper;
    this.#uploadExpiryMs = uploadExpiryMs;
  }

  start(): void {
    this.#timers = [
      setInterval(() => void this.#keeper.tidy(), TIDY_EVERY_MS).unref(),
      setInterval(() => void this.expireUploads(), EXPIRE_EVERY_MS).unref(),
    ];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  /** Aborts uploads that began longer ago than the expiry; answers how many. */
  async expireUploads(): Promise<number> {
    const decisions = this.#expired();
    if (decisions.length === 0) return 0;
    // Unique over restarts, so that the keeper never takes it for a repeated one.
    const sequence = this.#keeper.clock.now() * 1000 + (this.#sequence++ % 1000);
    const reply = await this.#keeper.submit('maintenance', { sequence, group: undefined, decisions });
    const ended = reply.decisions.filter((outcome) => outcome.ok).length;
    this.#keeper.log.info({ uploads: ended }, 'aborted multipart uploads that nobody finished');
    return ended;
  }

  #expired(): Decision[] {
    const before = this.#keeper.clock.now() - this.#uploadExpiryMs;
    const decisions: Decision[] = [];
    for (const { key: bytes, value } of this.#keeper.index.range('uploads', Buffer.from([0]), undefined)) {
      if (value.readDoubleLE(0) > before) continue;
      const { key, uploadId } = splitUploadKey(bytes);
      decisions.push({
        kind: 'abortUpload',
        bucketId: bytes.readUInt32BE(0),
        key: Buffer.from(key),
        uploadId: Buffer.from(uploadId),
      });
      if (decisions.length === EXPIRE_MAX) break;
    }
    return decisions;
  }
}
