/**
 * One submission in flight at a time. What arrives while one is under way waits and goes together with the next: that is the
 * group commit of the index, without a delay when nobody else writes.
 *
 * The hardest decision: a submission is never given up, since its records lie in a volume and the index must learn of them in the
 * end; but nobody waits for it without bound. When the keeper does not answer in time, everybody who waits hears that the outcome
 * is unknown, decisions that were not sent are dropped, and new writes are refused until it answers.
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
/** A new keeper is up in well under a second; a store that needs longer has a problem that clients should hear of. */
const ANSWER_MS = 20_000;

export class CommitPipe {
  readonly #committer: IndexCommitter;
  #sequence = 0;
  /** Newest timestamp that a reply told of. */
  clock = 0;
  #busy = false;
  readonly #groups: WaitingGroup[] = [];
  #decisions: WaitingDecision[] = [];
  #isStuck = false;
  readonly #answerMs: number;
  /** Whoever waits no longer than the keeper is given. */
  readonly #waiters = new Set<(error: unknown) => void>();

  constructor(committer: IndexCommitter, answerMs: number = ANSWER_MS) {
    this.#committer = committer;
    this.#answerMs = answerMs;
  }

  /** The keeper is overdue. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** @throws GatewayError StoreBusy when the keeper is overdue: nothing new is taken on */
  refuseWhileStuck(): void {
    if (this.#isStuck)
      throw new GatewayError('StoreBusy', 'The store cannot commit at the moment; nothing was stored. Try again.');
  }

  /** The same promise, but rejected with StoreBusy when the keeper does not answer in time. */
  bounded<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiters.add(reject);
      void promise.then(resolve, reject).finally(() => this.#waiters.delete(reject));
    });
  }

  /** Heads of durable records, in the order of their groups. Has no bound in time: see `bounded`. */
  group(group: HeadGroup): Promise<readonly HeadOutcome[]> {
    return new Promise((resolve, reject) => {
      this.#groups.push({ group, resolve, reject });
      void this.#run();
    });
  }

  /** The outcome of a decision. @throws GatewayError as the decision was refused */
  async decide(decision: Decision): Promise<{ readonly modifiedMs: number }> {
    this.refuseWhileStuck();
    const answered = new Promise<DecisionOutcome>((resolve, reject) => {
      this.#decisions.push({ decision, resolve, reject });
      void this.#run();
    });
    const outcome = await this.bounded(answered);
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
    const timer = setTimeout(() => this.#overdue(), this.#answerMs);
    try {
      const reply = await this.#committer.submit(submission);
      this.clock = Math.max(this.clock, reply.clock);
      waiting?.resolve(reply.heads);
      for (const [i, d] of decisions.entries()) d.resolve(reply.decisions[i] as DecisionOutcome);
    } catch (error) {
      waiting?.reject(error);
      for (const d of decisions) d.reject(error);
    } finally {
      clearTimeout(timer);
      this.#isStuck = false;
    }
  }

  #overdue(): void {
    this.#isStuck = true;
    const unsent = this.#decisions;
    this.#decisions = [];
    for (const { reject } of unsent)
      reject(new GatewayError('StoreBusy', 'The store cannot commit at the moment; nothing was stored. Try again.'));
    const seconds = this.#answerMs / 1000;
    const error = new GatewayError(
      'StoreBusy',
      `The store cannot commit: the keeper did not answer within ${seconds} s. The outcome of the write is unknown.`,
    );
    for (const reject of [...this.#waiters]) reject(error);
  }
}
