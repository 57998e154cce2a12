/** What the parts of the keeper see of it: the volume of its decisions and the compactor. */
import type { Clock } from '../base/clock.ts';
import type { Location } from '../format/manifest.ts';
import type { ManifestReader } from './applier.ts';
import type { StoreLog, VolumeGrant } from './committer.ts';
import type { IndexDatabase, VolumeState } from './index-database.ts';
import type { MoveOutput, RelocationTools } from './relocator.ts';

/** Session of the keeper's own volume. */
export const KEEPER_SESSION = 'keeper';

export interface KeeperHost {
  readonly root: string;
  readonly clock: Clock;
  readonly log: StoreLog;
  readonly index: IndexDatabase;
  readonly volumeBytesMax: number;
  /** Volumes that compaction reads or writes: not granted. */
  readonly reserved: Set<number>;
  readonly readManifest: ManifestReader;
  /** Counts up with what workers ask for. */
  readonly stats: { readonly transactions: number };
  /** A payload as it lies there. @throws GatewayError DataLoss when it is damaged, VolumeGone */
  readStored(location: Location): Promise<Buffer>;
  openVolume(session: string): VolumeGrant;
  sealVolume(id: number, end: number, damaged: boolean): void;
  dropVolume(volume: VolumeState): void;
  wantSealed(volume: VolumeState): void;
  /**
   * One transaction of compaction or coding: what was appended to `output` and flushed, and what `work` writes there, becomes a part of
   * the store. When it fails, the output must be closed.
   */
  relocate(output: MoveOutput | undefined, work: (tools: RelocationTools) => void): void;
}
