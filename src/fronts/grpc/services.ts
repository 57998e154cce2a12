/** Everything that Penstock serves over gRPC, but health and reflection, which come with the front. */
import type { DataPlane } from './access.ts';
import { type BatchStats, getBatchMethod } from './get-batch.ts';
import { objectsMethods } from './objects.ts';
import { putBatchMethod } from './put-batch.ts';
import type { GrpcMethod } from './server-call.ts';
import { SlabPool } from './slab-pool.ts';
import { TurnShare } from './turn-share.ts';

export function penstockMethods(plane: DataPlane, stats: BatchStats): GrpcMethod[] {
  return [
    ...objectsMethods(plane),
    getBatchMethod({ plane, slabs: new SlabPool(), turns: new TurnShare(), stats }),
    putBatchMethod(plane),
  ];
}
