/**
 * Requests that are due, and connections that are free, brought together: what is due waits for the next free connection, and its latency
 * counts from when it was due. Pure of clocks and sockets.
 */

type Send = (dueMs: number) => void;

export class FreeConnections<C> {
  /** In order of when they became free, so that all take part. */
  readonly #free = new Map<C, Send>();
  readonly #due: number[] = [];
  #taken = 0;

  /** One that is told twice to be free is free once. */
  free(connection: C, send: Send): void {
    if (this.#taken < this.#due.length) {
      const dueMs = this.#due[this.#taken] as number;
      this.#taken += 1;
      if (this.#taken === this.#due.length) this.takeWaiting();
      send(dueMs);
    } else {
      this.#free.set(connection, send);
    }
  }

  due(dueMs: number): void {
    const [first] = this.#free;
    if (first === undefined) {
      this.#due.push(dueMs);
      return;
    }
    this.#free.delete(first[0]);
    first[1](dueMs);
  }

  /** Requests that wait for a connection. */
  get waiting(): number {
    return this.#due.length - this.#taken;
  }

  /** Takes them out. @returns when each was due */
  takeWaiting(): number[] {
    const rest = this.#due.slice(this.#taken);
    this.#due.length = 0;
    this.#taken = 0;
    return rest;
  }
}
