/** Why a gateway does not start, in words that a person can act on. The first messages that anybody sees, so they are tested as text. */
import { type Address, formatAddress } from '../base/settings.ts';

/** Not a bug: the message is the whole report. */
export class StartRefusal extends Error {
  override readonly name = 'StartRefusal';
}

const OF_PORT: Readonly<Record<string, (flag: string, where: string) => string>> = {
  EADDRINUSE: (flag, where) =>
    `${where} is in use by another process. Stop it (\`ss -ltnp\` shows which it is), or choose another address with ${flag}.`,
  EACCES: (flag, where) =>
    `${where} may not be opened by this user: ports under 1024 are for root. Choose another with ${flag}.`,
  EADDRNOTAVAIL: (flag, where) =>
    `${where} is not an address of this machine. Choose one that \`ip addr\` shows with ${flag}.`,
  ENOTFOUND: (flag, where) =>
    `${where} cannot be opened: no such host name. Give an address of this machine with ${flag}.`,
};

export function portRefusal(port: string, address: Address, cause: unknown): StartRefusal {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const where = `the ${port} address ${formatAddress(address)}`;
  const say = OF_PORT[code];
  const message = say?.(`--${port}`, where) ?? `${where} cannot be opened: ${(cause as Error).message}.`;
  return new StartRefusal(message, { cause });
}

const OF_FOLDER: Readonly<Record<string, (path: string) => string>> = {
  EACCES: (path) =>
    `the folder ${path} is not writable by this user. Give it to the user that runs Penstock (chown), or name another folder.`,
  EPERM: (path) =>
    `the folder ${path} is not writable by this user. Give it to the user that runs Penstock (chown), or name another folder.`,
  EROFS: (path) => `the folder ${path} is on a read-only file system. Mount it writable, or name another folder.`,
  ENOTDIR: (path) => `${path} is not a folder. Name a folder, or one that does not exist yet.`,
  EEXIST: (path) => `${path} is not a folder. Name a folder, or one that does not exist yet.`,
  ENOSPC: (path) => `the disk of ${path} is full. Make room, or name a folder on another disk.`,
};

export function folderRefusal(path: string, cause: unknown): StartRefusal {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const message = OF_FOLDER[code]?.(path) ?? `the folder ${path} cannot be used: ${(cause as Error).message}.`;
  return new StartRefusal(message, { cause });
}

export function tlsRefusal(what: 'key' | 'cert', path: string, cause: unknown): StartRefusal {
  const code = (cause as NodeJS.ErrnoException).code;
  const why =
    code === 'ENOENT'
      ? 'does not exist'
      : code === 'EACCES'
        ? 'may not be read by this user'
        : `cannot be used: ${(cause as Error).message}`;
  return new StartRefusal(`the TLS ${what} ${path} ${why}. Name a PEM file with --tls-${what}.`, { cause });
}
