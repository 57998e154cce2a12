/** What a gateway asks of the storage that it is composed with: the local store now, others later, memory in tests. */
import type { Clock } from './base/clock.ts';
import type { Log } from './base/log.ts';
import type { Storage } from './base/object-store.ts';
import type { Metric } from './service/metrics.ts';
import type { KeeperSetup, WorkerSetup } from './supervisor/messages.ts';

export interface OpenStorage {
  readonly storage: Storage;
  readonly metrics: () => Metric[];
  readonly stop: () => Promise<void>;
}

export interface OpenKeeper {
  readonly metrics: () => Metric[];
  readonly workerExited: (session: string) => void;
  readonly stop: () => Promise<void>;
}

export interface StorageComposition {
  /** @throws with a message for people when another process holds the store */
  readonly lockFolder: (root: string) => Promise<{ release(): Promise<void> }>;
  readonly openStorage: (setup: WorkerSetup, clock: Clock, log: Log) => Promise<OpenStorage>;
  /** `giveUp` ends the process, when only another one can go on. */
  readonly openKeeper: (setup: KeeperSetup, clock: Clock, log: Log, giveUp: () => void) => Promise<OpenKeeper>;
}
