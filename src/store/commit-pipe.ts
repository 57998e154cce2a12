/**
 * One submission in flight at a time. What arrives while one is under way waits and goes together with the next: that is the
 * group commit of the index, without a delay when nobody else writes.
 */
import { GatewayError } from '../base/errors.ts';
import type { Decision, DecisionOutcome, HeadGroup, HeadOutcome, IndexCommitter, Submission } from './committer.ts';

interface WaitingDecision {
  readonly decision: Decision;
  readonly resolve: (outcome: DecisionOutcome) => void;
  readonly reject: (error: unknown) => void;
}

interface WaitingGroup {
  readonly group: HeadGroup;
  readonly resolve: (outcomes: readonly HeadOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Decisions of one submission: keeps the keeper's transactions short. */
const DECISIONS_MAX = 256;

export class CommitPipe {
  readonly #committer: IndexCommitter;
  #sequence = 0;
  /** Newest timestamp that a reply told of. */
  clock = 0;
  #busy = false;
  readonly #groups: WaitingGroup[] = [];
  #decisions: WaitingDecision[] = [];

  constructor(committer: IndexCommitter) {
    this.#committer = committer;
  }

  /** Heads of durable records, in the order of their groups. */
  group(group: HeadGroup): Promise<readonly HeadOutcome[]> {
    return new Promise((resolve, reject) => {
      this.#groups.push({ group, resolve, reject });
      void this.#run();
    });
  }

  /** The outcome of a decision. @throws GatewayError as the decision was refused */
  async decide(decision: Decision): Promise<{ readonly modifiedMs: number }> {
    const outcome = await new Promise<DecisionOutcome>((resolve, reject) => {
      this.#decisions.push({ decision, resolve, reject });
      void this.#run();
    });
    if (outcome.ok) return outcome;
    throw new GatewayError(
      outcome.code,
      outcome.message,
      outcome.details === undefined ? {} : { details: outcome.details },
    );
  }

  async #run(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#groups.length > 0 || this.#decisions.length > 0) await this.#submitNext();
    this.#busy = false;
  }

  async #submitNext(): Promise<void> {
    const waiting = this.#groups.shift();
    const decisions = this.#decisions.slice(0, DECISIONS_MAX);
    this.#decisions = this.#decisions.slice(DECISIONS_MAX);
    const submission: Submission = {
      sequence: ++this.#sequence,
      group: waiting?.group,
      decisions: decisions.map((d) => d.decision),
    };
    try {
      const reply = await this.#committer.submit(submission);
      this.clock = Math.max(this.clock, reply.clock);
      waiting?.resolve(reply.heads);
      for (const [i, d] of decisions.entries()) d.resolve(reply.decisions[i] as DecisionOutcome);
    } catch (error) {
      waiting?.reject(error);
      for (const d of decisions) d.reject(error);
    }
  }
}
