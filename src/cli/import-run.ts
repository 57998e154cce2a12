/** What every item of one import shares. */
import type { EntityHashes } from '../format/entity-hash.ts';
import type { BatchSender } from './batch-sender.ts';
import type { ConnectionOptions } from './connection.ts';
import type { Progress } from './progress.ts';
import type { S3Address } from './s3-address.ts';
import type { S3Client } from './s3-client.ts';
import type { Terminal } from './terminal.ts';
import type { TransferReport } from './transfer-report.ts';
import type { ByteBudget } from './work-queue.ts';

export interface ImportOptions extends ConnectionOptions {
  /** Files on their way at once; absent: what suits the way that they take. */
  readonly jobs?: number;
  /** gRPC address; `false`: not to be used. */
  readonly grpc?: string | false;
  readonly create: boolean;
  readonly followLinks?: boolean;
  readonly sizeOnly?: boolean;
  readonly json?: boolean;
}

export interface ImportRun {
  readonly client: S3Client;
  readonly target: S3Address;
  readonly options: ImportOptions;
  readonly report: TransferReport;
  readonly progress: Progress;
  readonly budget: ByteBudget;
  readonly terminal: Terminal;
  readonly hashes: EntityHashes;
  readonly jobs: number;
  /** Takes what is small enough, where the gateway speaks gRPC. */
  readonly sender: BatchSender | undefined;
}
