// HOT PATH: every byte that load processes read over connections of their own comes through here.
/**
 * A connection of bytes, over TCP or TLS. Whoever is given bytes must be done with them when it returns: where a buffer is given, what arrives
 * is handed over in it again and again, so that reading a gigabyte a second leaves a load process time to check it.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectSecurely } from 'node:tls';

/** More than a socket buffer mostly holds, and less than the second-level cache of a core. */
export const WIRE_BUFFER_BYTES = 256 * 1024;
/** Connecting takes no longer, nor is a request so long without a byte of its answer. */
export const SILENCE_MS_MAX = 30_000;

export interface Address {
  /** As `node:net` takes it: an address of IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

export function addressOf({ protocol, hostname, port }: URL): Address {
  const isTls = protocol === 'https:';
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || (isTls ? 443 : 80)), isTls };
}

export interface Wire {
  write(bytes: string | Buffer, body?: Buffer): void;
  close(): void;
}

export interface WireEvents {
  /** @param bytes valid until it returns */
  readonly take: (bytes: Buffer) => void;
  /** The connection is gone, for whatever reason but `close()`: once. */
  readonly lost: (error: Error) => void;
  /** Nothing went either way for `SILENCE_MS_MAX`. */
  readonly silent?: () => void;
}

export interface WireOptions {
  /** For what arrives, over TCP. */
  readonly into?: Buffer;
  /** Address of this machine to come from. */
  readonly source?: string;
}

/** @throws Error of the system when nobody answers */
export async function openWire(
  { host, port, isTls }: Address,
  events: WireEvents,
  { into, source }: WireOptions = {},
): Promise<Wire> {
  const to = { host, port, noDelay: true, ...(source === undefined ? {} : { localAddress: source }) };
  const callback = (count: number, buffer: Uint8Array): boolean => {
    events.take((buffer as Buffer).subarray(0, count));
    return true;
  };
  const socket = isTls
    ? connectSecurely({ ...to, servername: host, ALPNProtocols: ['http/1.1'] })
    : connect({ ...to, ...(into === undefined ? {} : { onread: { buffer: into, callback } }) });
  if (isTls || into === undefined) socket.on('data', events.take);
  const giveUp = (): void => void socket.destroy(new Error('no connection within 30 s'));
  socket.setTimeout(SILENCE_MS_MAX).once('timeout', giveUp);
  await once(socket, isTls ? 'secureConnect' : 'connect');
  socket.off('timeout', giveUp);
  if (events.silent !== undefined) socket.on('timeout', events.silent);
  let isOver = false;
  const lose = (error: Error): void => {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    events.lost(error);
  };
  socket.on('error', lose);
  socket.on('end', () => lose(new Error('the server closed the connection')));
  socket.on('close', () => lose(new Error('the connection was closed')));
  return {
    write: (bytes, body) => {
      if (body === undefined) {
        socket.write(bytes, 'latin1');
        return;
      }
      socket.cork();
      socket.write(bytes, 'latin1');
      socket.write(body);
      socket.uncork();
    },
    close: () => {
      isOver = true;
      socket.destroy();
    },
  };
}
