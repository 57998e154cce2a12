// HOT PATH: every byte that the simulated accelerators read comes through here.
/**
 * A connection that hands over what arrives in one buffer of its own, again and again, so that reading a gigabyte a second leaves the load
 * process time to check it. Whoever is given bytes must be done with them when it returns.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectSecurely } from 'node:tls';

/** More than a socket buffer mostly holds, and less than the second-level cache of a core. */
const BUFFER_BYTES = 256 * 1024;
const CONNECT_MS_MAX = 10_000;

export interface Wire {
  write(bytes: Buffer): void;
  close(): void;
}

export interface WireEvents {
  /** @param bytes valid until it returns */
  readonly take: (bytes: Buffer) => void;
  /** The connection is gone, for whatever reason but `close()`: once. */
  readonly lost: (error: Error) => void;
}

/** @throws Error of the system when nobody answers */
export async function openWire(url: URL, events: WireEvents): Promise<Wire> {
  const isSecure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (isSecure ? 443 : 80));
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  const callback = (bytes: number): boolean => {
    events.take(buffer.subarray(0, bytes));
    return true;
  };
  const socket = isSecure
    ? connectSecurely({ host, port, servername: host, ALPNProtocols: ['http/1.1'] })
    : connect({ host, port, noDelay: true, onread: { buffer, callback } });
  if (isSecure) socket.on('data', events.take);
  await once(socket, isSecure ? 'secureConnect' : 'connect', { signal: AbortSignal.timeout(CONNECT_MS_MAX) });
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
    write: (bytes) => void socket.write(bytes),
    close: () => {
      isOver = true;
      socket.destroy();
    },
  };
}
