/**
 * The floor of a batch: a server of node:http2 that answers every request with the frames that a gateway sent for such a batch. Heads are
 * those bytes; payloads of the same lengths lie ready in memory, which is as large as all objects together, and are sent from there without
 * a copy. No store, no look at the request, no credential, no deadline, no back-pressure but that of two frames on their way. It runs in
 * a process of its own, and is told its frames by it.
 *
 * The hardest decision: payloads are not one buffer over and over, which the caches of the processor would hold. No server of that many
 * bytes could send them from there.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type Belongings, onCore } from '../measure/belongings.ts';
import type { FrameShape } from './http2-batch.ts';

interface Frame {
  readonly head: Buffer;
  readonly payloadBytes: number;
}

/** What it is told: the frames of one batch, and how many bytes the objects have together. */
interface FloorOrder {
  readonly shapes: readonly FrameShape[];
  readonly setBytes: number;
}

/** Payloads follow each other in `memory` from a random place on. */
interface Content {
  readonly frames: readonly Frame[];
  readonly memory: Buffer;
  readonly batchBytes: number;
}

const FRAMES_IN_FLIGHT = 2;
const HEADERS = { ':status': 200, 'content-type': 'application/grpc' };

export class Floor {
  readonly child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
  }

  /** @param self file that calls `serveFloor` when it is given `flag` */
  static async start(
    owned: Belongings,
    options: { readonly self: string; readonly flag: string; readonly core: number; readonly cores: number },
  ): Promise<Floor> {
    const argv = [...process.execArgv, options.self, options.flag];
    const [command, args] = onCore(options.core, options.cores, process.execPath, argv);
    const child = owned.spawn(command, args, 'util-linux', { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const [port] = (await once(child, 'message')) as [number];
    return new Floor(child, port);
  }

  /** From now on it sends these, of objects that have so many bytes together. */
  async use(shapes: readonly FrameShape[], setBytes: number): Promise<void> {
    const ready = once(this.child, 'message');
    const order: FloorOrder = { shapes, setBytes };
    this.child.send(order);
    await ready;
  }
}

/** Serves until the parent goes away. */
export function serveFloor(): void {
  let content = contentOf({ shapes: [], setBytes: 0 });
  const server = createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => {}); // the client is gone
    stream.resume();
    stream.respond(HEADERS, { waitForTrailers: true, sendDate: false } as Parameters<typeof stream.respond>[1]);
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    sendAll(stream, content);
  });
  process.on('message', (order: FloorOrder) => {
    content = contentOf(order);
    process.send?.('ready');
  });
  process.on('disconnect', () => process.exit(0));
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

function contentOf({ shapes, setBytes }: FloorOrder): Content {
  const frames = shapes.map(({ head, payloadBytes }) => ({ head: Buffer.from(head, 'base64'), payloadBytes }));
  const batchBytes = frames.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0);
  const memory = Buffer.allocUnsafeSlow(Math.max(setBytes, batchBytes)).fill(0xa5);
  return { frames, memory, batchBytes };
}

function sendAll(stream: ServerHttp2Stream, { frames, memory, batchBytes }: Content): void {
  let at = Math.floor(Math.random() * (memory.length - batchBytes + 1));
  let next = 0;
  let inFlight = 0;
  const send = (): void => {
    while (inFlight < FRAMES_IN_FLIGHT && next < frames.length) {
      const { head, payloadBytes } = frames[next++] as Frame;
      const payload = memory.subarray(at, at + payloadBytes);
      at += payloadBytes;
      inFlight += 1;
      stream.cork();
      stream.write(head);
      stream.write(payload, sent);
      stream.uncork();
    }
    if (next === frames.length && !stream.writableEnded) stream.end();
  };
  const sent = (): void => {
    inFlight -= 1;
    if (!stream.destroyed) send();
  };
  send();
}
