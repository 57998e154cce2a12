/** Ports for servers that cannot be told to choose one themselves. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** A port of loopback that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export async function isListening(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** @param alive whether whoever shall listen still runs */
export async function untilListening(port: number, alive: () => boolean): Promise<void> {
  while (!(await isListening(port))) {
    if (!alive()) throw new Error(`the server for port ${port} ended before it listened`);
    await pause(10);
  }
}
