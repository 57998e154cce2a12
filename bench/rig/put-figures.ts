/** What the benchmarks of puts do before, and what the gateway counted meanwhile. */
import type { GatewayStatus } from '../../src/fronts/admin/status.ts';
import { BenchError } from '../measure/options.ts';
import type { Measures } from '../measure/rounds.ts';
import { RawConnection } from './raw-connection.ts';
import { signedPut } from './signed-requests.ts';

/** @throws BenchError */
export async function createBucket(port: number, bucket: string): Promise<void> {
  const connection = await RawConnection.open(port);
  const { status, body } = await connection.exchange(signedPut(`/${bucket}`, `127.0.0.1:${port}`, Date.now(), 0));
  if (status !== 200) throw new BenchError(`the bucket could not be made: ${status} ${body.toString()}`);
  connection.close();
}

/** Of the group commit between two moments. Pure. */
export function groupsBetween(before: GatewayStatus, after: GatewayStatus): Measures {
  const grown = (name: string): number => (after.figures[name] ?? 0) - (before.figures[name] ?? 0);
  const groups = grown('commit_groups_total');
  const transactions = grown('index_transactions_total');
  return {
    'objects in a group': grown('commit_records_total') / groups,
    'KiB in a group': grown('commit_bytes_total') / groups / 1024,
    'write and flush of a group, ms': (grown('commit_sync_seconds_total') * 1000) / groups,
    'objects in an index transaction': grown('commit_records_total') / transactions,
    'index transaction, ms': (grown('index_commit_seconds_total') * 1000) / transactions,
  };
}
