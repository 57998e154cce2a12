/**
 * The listening ports, which belong to the supervisor for its whole life, and the hand-out of connections to ready workers in turn.
 * A connection that arrives while no worker is ready waits, unread, until one is; one that a dying worker could not take goes to the
 * next. So a port that is open refuses nobody, whatever happens to the workers.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { LIMITS } from '../base/limits.ts';
import type { Address } from '../base/settings.ts';

import type { Child } from './child.ts';
import type { PortName } from './messages.ts';

export class Connections {
  readonly #servers = new Map<PortName, Server>();
  #workers: Child[] = [];
  #turn = 0;
  readonly #waiting = new Map<Socket, PortName>();

  /** @throws the system's error (EADDRINUSE, EACCES ...) @returns the port, where the system chose one */
  async listen(port: PortName, address: Address): Promise<Address> {
    // Nagle's algorithm is switched off here, since it stays with the socket; the worker's server never sees `listen`.
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#give(port, socket));
    this.#servers.set(port, server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address.host, port: address.port, backlog: 1024 }, () => {
        server.off('error', reject);
        server.on('error', () => {}); // EMFILE on accept: the connection stays in the backlog, and Node tries again
        resolve();
      });
    });
    const bound = server.address();
    return bound !== null && typeof bound === 'object' ? { host: address.host, port: bound.port } : address;
  }

  add(worker: Child): void {
    this.#workers = [...this.#workers, worker];
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [socket, port] of waiting) {
      socket.removeAllListeners();
      this.#give(port, socket);
    }
  }

  remove(worker: Child): void {
    this.#workers = this.#workers.filter((other) => other !== worker);
  }

  /** Idempotent. New connections are refused from now on. */
  close(): void {
    for (const server of this.#servers.values()) server.close();
    this.#servers.clear();
    for (const socket of this.#waiting.keys()) socket.destroy();
    this.#waiting.clear();
  }

  #give(port: PortName, socket: Socket): void {
    const worker = this.#workers[this.#turn++ % Math.max(1, this.#workers.length)];
    if (worker === undefined) {
      this.#wait(port, socket);
      return;
    }
    worker.hand(port, socket, (returned) => {
      this.remove(worker);
      this.#give(port, returned);
    });
  }

  #wait(port: PortName, socket: Socket): void {
    if (socket.destroyed || !this.#servers.has(port) || this.#waiting.size >= LIMITS.waitingConnectionsMax) {
      socket.destroy();
      return;
    }
    socket.on('error', () => {});
    socket.on('close', () => this.#waiting.delete(socket));
    this.#waiting.set(socket, port);
  }
}
