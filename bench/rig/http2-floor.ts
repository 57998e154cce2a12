/**
 * The floor of a batch: a server of node:http2 that answers every request with the frames that a gateway sent for such a batch. Heads are
 * those bytes; payloads of the same lengths come from one buffer that is used again. No store, no look at the request, no credential,
 * no deadline, no back-pressure but that of two frames on their way. It runs in a process of its own, and is told its frames by it.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type Belongings, onCore } from '../measure/belongings.ts';
import type { FrameShape } from './http2-batch.ts';

interface Frame {
  readonly head: Buffer;
  readonly payload: Buffer;
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

  /** From now on it sends these. */
  async use(shapes: readonly FrameShape[]): Promise<void> {
    const ready = once(this.child, 'message');
    this.child.send(shapes);
    await ready;
  }
}

/** Serves until the parent goes away. */
export function serveFloor(): void {
  let frames: readonly Frame[] = [];
  const server = createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => {}); // the client is gone
    stream.resume();
    stream.respond(HEADERS, { waitForTrailers: true, sendDate: false } as Parameters<typeof stream.respond>[1]);
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    sendAll(stream, frames);
  });
  process.on('message', (shapes: readonly FrameShape[]) => {
    frames = framesOf(shapes);
    process.send?.('ready');
  });
  process.on('disconnect', () => process.exit(0));
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

function framesOf(shapes: readonly FrameShape[]): Frame[] {
  const slab = Buffer.allocUnsafeSlow(Math.max(1, ...shapes.map(({ payloadBytes }) => payloadBytes))).fill(0xa5);
  return shapes.map(({ head, payloadBytes }) => ({
    head: Buffer.from(head, 'base64'),
    payload: slab.subarray(0, payloadBytes),
  }));
}

function sendAll(stream: ServerHttp2Stream, frames: readonly Frame[]): void {
  let next = 0;
  let inFlight = 0;
  const send = (): void => {
    while (inFlight < FRAMES_IN_FLIGHT && next < frames.length) {
      const { head, payload } = frames[next++] as Frame;
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
