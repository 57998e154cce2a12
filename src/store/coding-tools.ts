/** What the parts of the coding pass share. */
import type { Coder, Profile } from '../codec/object-coding.ts';
import type { SeriesDictionaries } from './coding-dictionaries.ts';
import type { KeeperHost } from './keeper-host.ts';
import type { OutputVolume } from './output-volume.ts';
import type { RelocationTools } from './relocator.ts';

export interface CodingStats {
  /** Looked at; pieces of large objects count one each. */
  objects: number;
  /** Of those, stored coded. */
  coded: number;
  bytesIn: number;
  /** As stored now; what stays as it is counts with its bytes. */
  bytesOut: number;
  /** Codings that did not give the bytes back, and were dropped. */
  mismatches: number;
  /** Payloads that were damaged. */
  unreadable: number;
}

export interface CodingTools {
  readonly keeper: KeeperHost;
  readonly coder: Coder;
  readonly profile: Profile;
  readonly series: SeriesDictionaries;
  readonly stats: CodingStats;
  /** The volume that copies go to, opened when it is first asked for. */
  readonly output: () => OutputVolume;
  /** The same, or a rejection when the pass is stopped first. */
  readonly cancellable: <T>(work: Promise<T>) => Promise<T>;
  /** Flushes what was appended, and runs `work` in a transaction that makes it a part of the store. */
  readonly commit: (work: (relocation: RelocationTools) => void) => Promise<void>;
  /** Waits between two pieces of work, as long as is fair. */
  readonly rest: (startedMs: number) => Promise<void>;
}
