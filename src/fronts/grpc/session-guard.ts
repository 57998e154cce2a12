/**
 * One connection of the gRPC front: watched from its first byte to the end of its socket. Promises: a peer that does not open HTTP/2,
 * does not answer pings, floods us with its own, or takes nothing of what it asked for loses its calls or its socket within a bounded
 * time; a connection that is told to go lets its calls end.
 *
 * Hardest decision: everything ends through the socket below the session. With a write pending on a peer that does not read, a session
 * hears nothing more, and no method of it frees the socket; some errors that nghttp2 answers by itself even leave a session that
 * Node never ends. An unanswered ping shows all of these.
 */
import { constants, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { GrpcCall, Peer } from './call.ts';
import type { GrpcFrontLimits } from './front.ts';

export class SessionGuard implements Peer {
  readonly remoteAddress: string;
  readonly calls = new Set<GrpcCall>();
  readonly #session: ServerHttp2Session;
  readonly #socket: Socket;
  readonly #limits: GrpcFrontLimits;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #pulse: NodeJS.Timeout;
  #pong: NodeJS.Timeout | undefined;
  #grace: NodeJS.Timeout | undefined;
  #pings = 0;
  #isCondemned = false;

  /** @param socket the real one: `session.socket` is a proxy that cannot destroy */
  constructor(session: ServerHttp2Session, socket: Socket, limits: GrpcFrontLimits) {
    this.#session = session;
    this.#socket = socket;
    this.#limits = limits;
    this.remoteAddress = socket.remoteAddress ?? '';
    const hello = setTimeout(() => this.kill(), limits.helloMs);
    const ageMs = limits.connectionAgeMs * (0.9 + 0.2 * Math.random());
    this.#timers.push(
      hello,
      setTimeout(() => this.drain(limits.connectionGraceMs), ageMs),
    );
    this.#pulse = setInterval(() => this.#beat(), limits.pingIntervalMs);
    session.setLocalWindowSize(limits.connectionWindowBytes);
    session.once('remoteSettings', () => clearTimeout(hello));
    session.on('ping', () => this.#pinged());
    session.on('error', () => this.#condemn(0)); // else it would end the process
    session.once('close', () => this.#closed());
    // All bytes are on their way. A client that looks at its connections only while it has calls does not hear that this was the end.
    socket.once('finish', () => this.#condemn(limits.goodbyeMs));
  }

  /** Resolves when the connection is no more. Ask while its socket has not said so: one that is destroyed says it turns later. */
  closed(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once('close', () => resolve());
    });
  }

  sent(): void {
    this.#pings = 0;
  }

  /** GOAWAY: no further call; those that run may end within the grace. Idempotent, the first grace counts. */
  drain(graceMs: number): void {
    if (this.#grace !== undefined) return;
    this.#grace = setTimeout(() => this.kill(), graceMs);
    setImmediate(() => !this.#session.destroyed && this.#session.close());
  }

  kill(): void {
    this.#socket.destroy();
  }

  /** Once an interval: is somebody there, and does he take what he asked for? */
  #beat(): void {
    this.#pings = 0;
    const sweepsMax = Math.ceil(this.#limits.stalledMs / this.#limits.pingIntervalMs);
    for (const call of [...this.calls]) call.sweep(sweepsMax);
    clearTimeout(this.#pong);
    this.#pong = setTimeout(() => this.kill(), this.#limits.pingTimeoutMs);
    try {
      this.#session.ping((error) => {
        if (error === null) clearTimeout(this.#pong);
      });
    } catch {
      this.kill();
    }
  }

  #pinged(): void {
    this.#pings++;
    if (this.#pings <= this.#limits.pingsMax || this.#isCondemned) return;
    setImmediate(() => {
      if (this.#session.destroyed) return;
      this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from('too_many_pings'));
    });
    this.#condemn(this.#limits.goodbyeMs);
  }

  /** The peer has so long to hear why it ends. */
  #condemn(goodbyeMs: number): void {
    if (this.#isCondemned) return;
    this.#isCondemned = true;
    this.#timers.push(setTimeout(() => this.kill(), goodbyeMs));
  }

  #closed(): void {
    clearInterval(this.#pulse);
    clearTimeout(this.#pong);
    for (const timer of this.#timers) clearTimeout(timer);
    // The session can be gone while its socket still sends to a peer that does not read.
    if (this.#socket.destroyed) clearTimeout(this.#grace);
    else this.#lastWords();
  }

  #lastWords(): void {
    const last = setTimeout(() => this.kill(), this.#limits.pingTimeoutMs);
    this.#socket.once('close', () => {
      clearTimeout(last);
      clearTimeout(this.#grace);
    });
  }
}
