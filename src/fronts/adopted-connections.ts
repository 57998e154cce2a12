/**
 * Connections that the supervisor accepted and a server of this worker serves. The server's own count knows nothing of them, so
 * their number and their end are watched here.
 *
 * Hardest decision: how a connection without a request ends when the worker drains. Its client may be sending the next request at
 * this moment, and a close would break it, so it is kept for a while: the answer to that request closes it.
 */
import type { Server, Socket } from 'node:net';

export class AdoptedConnections {
  readonly #server: Server;
  readonly #max: number;
  readonly #sockets = new Set<Socket>();
  #onEmpty: (() => void) | undefined;

  constructor(server: Server, max: number) {
    this.#server = server;
    this.#max = max;
  }

  get size(): number {
    return this.#sockets.size;
  }

  adopt(socket: Socket): void {
    if (this.#sockets.size >= this.#max) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#onEmpty?.();
    });
    // As of a socket that the server accepted itself: TLS must not have it, or who leaves during the handshake stays connected.
    socket.allowHalfOpen = (this.#server as Server & { readonly allowHalfOpen: boolean }).allowHalfOpen;
    this.#server.emit('connection', socket);
  }

  /** Resolves when none is left, or after `timeMs`; true when none is left. */
  async empty(timeMs: number): Promise<boolean> {
    if (this.#sockets.size === 0) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
