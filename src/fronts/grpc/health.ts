/** `grpc.health.v1.Health`: is this worker taking calls? It is, from its start until it drains. */
import type { ServerHttp2Stream } from 'node:http2';
import { SERVING_STATUS, type ServingStatus } from './message.ts';

/** Services that can be asked for; empty stands for the whole gateway. */
const SERVICES: ReadonlySet<string> = new Set(['', 'grpc.health.v1.Health']);

export class Health {
  #serving = true;
  readonly #watchers = new Set<() => void>();

  /** `undefined` for a service that is not known. */
  statusOf(service: string): ServingStatus | undefined {
    if (!SERVICES.has(service)) return undefined;
    return this.#serving ? SERVING_STATUS.serving : SERVING_STATUS.notServing;
  }

  /** Calls `changed` at each change until the stream is closed. */
  watch(stream: ServerHttp2Stream, changed: () => void): void {
    this.#watchers.add(changed);
    stream.once('close', () => this.#watchers.delete(changed));
  }

  stopServing(): void {
    if (!this.#serving) return;
    this.#serving = false;
    for (const changed of [...this.#watchers]) changed();
  }
}
