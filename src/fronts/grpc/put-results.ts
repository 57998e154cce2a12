// HOT PATH (bench: every object of a PutBatch has a result)
/**
 * Results of a PutBatch on their way to the sender. Promises: each leaves once, in the order in which it came; what comes while a
 * write is under way goes with the next one, so that a group of the store, which settles all at once, costs one write.
 */
import { LIMITS } from '../../base/limits.ts';
import { PutResult } from '../../format/messages.ts';
import { PREFIX_BYTES } from './message.ts';
import type { ServerCall } from './server-call.ts';

export class PutResults {
  readonly #call: ServerCall;
  readonly #sent: (slot: number) => void;
  #waiting: PutResult[] = [];
  #isBusy = false;

  /** @param sent told when the result of a slot has left, or will never leave because the call is over */
  constructor(call: ServerCall, sent: (slot: number) => void) {
    this.#call = call;
    this.#sent = sent;
  }

  add(result: PutResult): void {
    this.#waiting.push(result);
    if (this.#isBusy) return;
    this.#isBusy = true;
    // Not at once: the others of its group settle in this turn of the event loop.
    setImmediate(() => void this.#run());
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const results = this.#waiting.splice(0, LIMITS.putResultsMax);
      try {
        if (!this.#call.isOver) await this.#call.writeFramed([frameAll(results)], results.length);
      } catch {
        // The call is over, which its handler will see.
      }
      for (const { slot } of results) this.#sent(slot);
    }
    this.#isBusy = false;
  }
}

/** Messages one behind the other, each with its prefix: they are small, and one buffer leaves faster than many. */
function frameAll(results: readonly PutResult[]): Buffer {
  const messages = results.map((result) => PutResult.encode(result));
  let bytes = 0;
  for (const message of messages) bytes += PREFIX_BYTES + message.length;
  const framed = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const message of messages) {
    framed[at] = 0; // not compressed
    framed.writeUInt32BE(message.length, at + 1);
    framed.set(message, at + PREFIX_BYTES);
    at += PREFIX_BYTES + message.length;
  }
  return framed;
}
