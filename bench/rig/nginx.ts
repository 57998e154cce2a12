/**
 * nginx over a folder of files, as the peer of a GET: one worker, sendfile, no access log. Two ports, since it has two honest
 * configurations: as Debian ships it, every request opens and closes its file; with `open_file_cache` it keeps them open.
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type Belongings, hasEnded, onCore } from '../measure/belongings.ts';
import { freePort, untilListening } from './ports.ts';

export interface Nginx {
  readonly child: ChildProcess;
  readonly plainPort: number;
  readonly cachingPort: number;
  stop(): Promise<void>;
}

const CACHED_FILES_MAX = 100_000;
/** Files that it needs for its connections and for the file that each sends. */
const OTHER_FILES = 2048;

/** How many files one process may have open: more in its cache, and nginx answers with errors. */
function openFilesMax(): number {
  const limit = Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Number.NaN);
  return Number.isNaN(limit) ? CACHED_FILES_MAX + OTHER_FILES : limit;
}

/** Pure. `folder` holds everything that nginx writes; `user` only matters to root. */
export function nginxConfig(
  folder: string,
  files: string,
  plainPort: number,
  cachingPort: number,
  cachedFilesMax: number,
): string {
  const user = userInfo();
  const bodies = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${join(folder, name)};`,
  );
  return `${user.uid === 0 ? `user ${user.username};\n` : ''}worker_processes 1;
daemon off;
pid ${join(folder, 'nginx.pid')};
error_log ${join(folder, 'error.log')} warn;
events { worker_connections 1024; }
http {
${bodies.join('\n')}
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
  root ${files};
  server { listen 127.0.0.1:${plainPort}; }
  server {
    listen 127.0.0.1:${cachingPort};
    open_file_cache max=${cachedFilesMax} inactive=1h;
    open_file_cache_valid 1h;
  }
}
`;
}

export async function startNginx(
  owned: Belongings,
  options: { readonly folder: string; readonly files: string; readonly core: number; readonly cores: number },
): Promise<Nginx> {
  const { folder, files, core, cores } = options;
  const [plainPort, cachingPort] = [await freePort(), await freePort()];
  const config = join(folder, 'nginx.conf');
  const cachedFilesMax = Math.max(1, Math.min(CACHED_FILES_MAX, openFilesMax() - OTHER_FILES));
  writeFileSync(config, nginxConfig(folder, files, plainPort, cachingPort, cachedFilesMax));
  const [command, args] = onCore(core, cores, 'nginx', ['-p', folder, '-c', config, '-e', join(folder, 'error.log')]);
  const child = owned.spawn(command, args, 'nginx-light', {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  await untilListening(plainPort, () => !hasEnded(child));
  return { child, plainPort, cachingPort, stop: () => owned.end(child) };
}
