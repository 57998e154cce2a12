/**
 * The messages of a call whose sender must keep a pace while it holds memory of the store: at least `bodyWindowBytesMin` in a
 * window, which only runs while we wait for the sender.
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ServerCall } from './server-call.ts';

export class PacedMessages {
  readonly #messages: AsyncIterator<Buffer>;
  readonly #windowMs: number;
  #waitedMs = 0;
  #bytes = 0;

  constructor(call: ServerCall, windowMs: number = LIMITS.stalledConnectionMs) {
    this.#messages = call.messages()[Symbol.asyncIterator]();
    this.#windowMs = windowMs;
  }

  /** The next message, for whoever may take all the time in the world; `undefined` at the end of the request. */
  async nextWhenever(): Promise<Buffer | undefined> {
    const next = await this.#messages.next();
    return next.done === true ? undefined : next.value;
  }

  /** The next message; `undefined` at the end of the request. @throws GatewayError RequestTimeout, and as the messages throw */
  async next(): Promise<Buffer | undefined> {
    const started = performance.now();
    const message = await this.#within(this.nextWhenever(), this.#windowMs - this.#waitedMs);
    this.#waitedMs += performance.now() - started;
    this.#bytes += message?.length ?? 0;
    if (this.#bytes >= LIMITS.bodyWindowBytesMin) {
      this.#bytes = 0;
      this.#waitedMs = 0;
    }
    return message;
  }

  #within<T>(promise: Promise<T>, ms: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = () =>
        reject(
          new GatewayError(
            'RequestTimeout',
            `Less than ${LIMITS.bodyWindowBytesMin} bytes came within ${this.#windowMs / 1000} s; nothing was stored.`,
          ),
        );
      const timer = setTimeout(late, Math.max(0, ms));
      promise.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}
