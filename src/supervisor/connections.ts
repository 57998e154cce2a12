/**
 * The listening ports, which belong to the supervisor for its whole life, and the hand-out of connections to ready workers in turn.
 * A connection that arrives while no worker is ready waits, unread, until one is; one that a dying worker could not take goes to the
 * next. So a port that is open refuses nobody, whatever happens to the workers.
 *
 * A worker gets the next connection when it has said that it took the last one. So one that is busy, or stuck, is passed over; while
 * all are, connections wait here, for whoever is free first.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { LIMITS } from '../base/limits.ts';
import type { Address } from '../base/settings.ts';

import type { Child } from './child.ts';
import type { PortName } from './messages.ts';

interface Connection {
  readonly port: PortName;
  readonly socket: Socket;
}

export class Connections {
  readonly #servers = new Map<PortName, Server>();
  #workers: readonly Child[] = [];
  /** What a worker was given and has not taken. */
  readonly #untaken = new Map<Child, Connection>();
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
    this.#giveWaiting();
  }

  remove(worker: Child): void {
    this.#workers = this.#workers.filter((other) => other !== worker);
  }

  /** What it had not taken goes to another. */
  exited(worker: Child): void {
    this.remove(worker);
    const left = this.#untaken.get(worker);
    this.#untaken.delete(worker);
    if (left !== undefined) this.#give(left.port, left.socket);
  }

  /** Idempotent. New connections are refused from now on. */
  close(): void {
    for (const server of this.#servers.values()) server.close();
    this.#servers.clear();
    for (const socket of this.#waiting.keys()) socket.destroy();
    this.#waiting.clear();
  }

  #give(port: PortName, socket: Socket): void {
    const worker = this.#choose();
    if (worker === undefined) this.#wait(port, socket);
    else this.#hand(worker, port, socket);
  }

  #hand(worker: Child, port: PortName, socket: Socket): void {
    const connection = { port, socket };
    this.#untaken.set(worker, connection);
    worker.hand(port, socket, (taken) => {
      if (this.#untaken.get(worker) !== connection) return; // it has exited, and another has the connection
      this.#untaken.delete(worker);
      if (taken) {
        socket.destroy(); // closes it here alone: the worker has its own handle
        this.#giveWaiting();
        return;
      }
      this.remove(worker);
      this.#give(port, socket);
    });
  }

  /** The next in turn that has taken what it was given; `undefined` while none has. */
  #choose(): Child | undefined {
    const first = this.#turn++;
    for (let i = 0; i < this.#workers.length; i++) {
      const worker = this.#workers[(first + i) % this.#workers.length] as Child;
      if (!this.#untaken.has(worker)) return worker;
    }
    return undefined;
  }

  #giveWaiting(): void {
    for (const [socket, port] of this.#waiting) {
      const worker = this.#choose();
      if (worker === undefined) return;
      this.#waiting.delete(socket);
      socket.removeAllListeners();
      this.#hand(worker, port, socket);
    }
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
