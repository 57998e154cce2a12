/**
 * nginx over a folder of files, as the peer of a GET: one worker, sendfile, no access log. Two ports, since it has two honest
 * configurations: as Debian ships it, every request opens and closes its file; with `open_file_cache` it keeps them open.
 */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
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

/** Pure. `folder` holds everything that nginx writes; `user` only matters to root. */
export function nginxConfig(folder: string, files: string, plainPort: number, cachingPort: number): string {
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
    open_file_cache max=100000 inactive=1h;
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
  writeFileSync(config, nginxConfig(folder, files, plainPort, cachingPort));
  const [command, args] = onCore(core, cores, 'nginx', ['-p', folder, '-c', config, '-e', join(folder, 'error.log')]);
  const child = owned.spawn(command, args, 'nginx-light', {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  await untilListening(plainPort, () => !hasEnded(child));
  return { child, plainPort, cachingPort, stop: () => owned.end(child) };
}
