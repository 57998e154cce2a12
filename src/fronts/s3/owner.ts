/** Owners as S3 shows them. */
import type { BucketInfo } from '../../base/bucket-store.ts';
import type { Exchange } from './request.ts';

export interface Owner {
  readonly id: string;
  readonly displayName: string;
}

/** The owner of a bucket and so of its objects. Names are known of the requester only; of others the id stands for the name. */
export function ownerOf(x: Exchange, bucket: BucketInfo): Owner {
  const { credential } = x;
  const own = credential !== undefined && credential.ownerId === bucket.ownerId;
  return { id: bucket.ownerId, displayName: own ? credential.displayName : bucket.ownerId };
}
