/** What becomes of a record that the index did not take, and what its writer hears. */
import { GatewayError } from '../base/errors.ts';
import {
  type DecisionOutcome,
  HEAD_OUTCOME,
  type HeadOutcome,
  type Submission,
  type SubmissionReply,
} from './committer.ts';

/** Is the record one that must not come back? A stale one is, once nobody waits for its rewriting. */
export function isLost(outcome: HeadOutcome, isLate: boolean): boolean {
  return (
    outcome === HEAD_OUTCOME.storageFull ||
    outcome === HEAD_OUTCOME.failed ||
    (outcome === HEAD_OUTCOME.stale && isLate)
  );
}

export function refusal(outcome: HeadOutcome): GatewayError {
  switch (outcome) {
    case HEAD_OUTCOME.noSuchBucket:
      return new GatewayError('NoSuchBucket');
    case HEAD_OUTCOME.noSuchUpload:
      return new GatewayError('NoSuchUpload');
    case HEAD_OUTCOME.storageFull:
      return new GatewayError('StorageFull');
    case HEAD_OUTCOME.stale:
      return new GatewayError('ConditionalRequestConflict', 'Too many writers of the same key at once; try again.');
    default:
      return new GatewayError('StoreFailure', 'The index could not commit the write; nothing was stored.');
  }
}

/** The reply to a submission whose transaction failed. */
export function allRefused(
  { group, decisions }: Submission,
  { full, message, clock }: { readonly full: boolean; readonly message: string; readonly clock: number },
): SubmissionReply {
  const refused: DecisionOutcome = { ok: false, code: full ? 'StorageFull' : 'StoreFailure', message };
  return {
    heads: (group?.heads ?? []).map(() => (full ? HEAD_OUTCOME.storageFull : HEAD_OUTCOME.failed)),
    decisions: decisions.map(() => refused),
    clock,
  };
}
