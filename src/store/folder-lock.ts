/**
 * One gateway a folder. The lock is an abstract unix socket named after the folder's device and inode: the kernel frees it with
 * its process, so nothing stale can remain, and two names of one folder meet. Containers with network namespaces of their own
 * do not see each other's abstract sockets; for them `gateway.lock` in the folder names the holder and is touched every two
 * seconds, and a fresh one of another host is believed.
 */
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { GatewayError } from '../base/errors.ts';

const FILE = 'gateway.lock';
const TOUCH_MS = 2000;
/** Three missed touches, on clocks that differ a little. */
const FRESH_MS = 10_000;

interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly purpose: string;
}

export interface FolderLock {
  release(): Promise<void>;
}

/** @throws GatewayError InvalidBucketState that names the holder */
export async function acquireFolderLock(root: string, purpose = 'gateway'): Promise<FolderLock> {
  const path = join(root, FILE);
  const { dev, ino } = statSync(root);
  const server = await listen(`\0penstock-${dev}-${ino}`);
  if (server === undefined) throw heldBy(root, readHolder(path));
  const other = readHolder(path);
  if (other !== undefined && other.host !== hostname() && Date.now() - statSync(path).mtimeMs < FRESH_MS) {
    server.close();
    throw heldBy(root, other);
  }
  writeFileSync(path, `${JSON.stringify({ pid: process.pid, host: hostname(), purpose } satisfies Holder)}\n`, {
    mode: 0o644,
  });
  const timer = setInterval(() => touch(path), TOUCH_MS);
  timer.unref();
  return {
    release: async () => {
      clearInterval(timer);
      rmSync(path, { force: true });
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(name, () => resolve(server));
  });
}

function touch(path: string): void {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // The folder may be read-only or gone for the moment; the socket still holds the lock on this machine.
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

function heldBy(root: string, holder: Holder | undefined): GatewayError {
  const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host} (${holder.purpose})`;
  return new GatewayError(
    'InvalidBucketState',
    `The folder ${root} is in use by ${who}. One gateway holds a folder; stop that one, or name another folder.`,
  );
}
