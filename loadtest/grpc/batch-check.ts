/** What came of a batch, counted object by object. What a stream leaves unserved is short. */
import type { BatchSlots } from '../suite/batch-frames.ts';
import type { DataSet } from '../suite/data-set.ts';
import type { Tally } from './tally.ts';

/** The stream has ended, in whatever way. @param positions what was asked for, by slot */
export function countBatch(slots: BatchSlots, dataSet: DataSet, positions: readonly number[], tally: Tally): void {
  const unserved: number[] = [];
  for (const [slot, position] of positions.entries()) {
    const { bytes, crc32, error } = slots.of(slot);
    if (error !== undefined) tally.refused(`${dataSet.keyOf(position)}: ${error.message}`);
    else if (bytes >= 0) tally.received(dataSet, position, bytes, crc32);
    else unserved.push(slot);
  }
  // Last, so that the first failure in words is the one that says most.
  if (!slots.hasEnded) tally.broken('a batch ended without saying that it is whole');
  for (const slot of unserved) tally.short(`slot ${slot} of a batch was not served`);
}
