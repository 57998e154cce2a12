/** Serves a keeper to the workers of this machine over a unix socket. */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { asGatewayError } from '../base/errors.ts';
import type { IndexCommitter } from './committer.ts';
import type { Keeper } from './keeper.ts';
import { type KeeperAnswer, type KeeperRequest, receiveFrames, sendFrame } from './keeper-protocol.ts';

export interface KeeperServer {
  stop(): Promise<void>;
}

export async function serveKeeper(keeper: Keeper, socketPath: string): Promise<KeeperServer> {
  const sockets = new Set<Socket>();
  rmSync(socketPath, { force: true });
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', (error) =>
      keeper.log.warn({ error: String(error) }, 'a worker cut its connection to the keeper'),
    );
    serveSocket(keeper, socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  return {
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function serveSocket(keeper: Keeper, socket: Socket): void {
  let committer: IndexCommitter | undefined;
  const answer = (message: KeeperAnswer): void => {
    if (!socket.destroyed) sendFrame(socket, message);
  };
  receiveFrames<KeeperRequest>(socket, (request) => {
    if (request.method === 'hello') {
      committer = keeper.session(request.session);
      committer.subscribe({
        volumeDropped: (volume) => answer({ id: 0, event: 'volumeDropped', volume }),
        sealWanted: (volume) => answer({ id: 0, event: 'sealWanted', volume }),
      });
      return answer({ id: request.id });
    }
    if (committer === undefined) return void socket.destroy(new Error('a request before hello'));
    perform(committer, request).then(answer, (error: unknown) => {
      const { code, message } = asGatewayError(error);
      keeper.log.error({ method: request.method, error: String(error) }, 'a request to the keeper failed');
      answer({ id: request.id, error: { code, message } });
    });
  });
}

async function perform(
  committer: IndexCommitter,
  request: Exclude<KeeperRequest, { method: 'hello' }>,
): Promise<KeeperAnswer> {
  const { id } = request;
  switch (request.method) {
    case 'openVolume':
      return { id, grant: await committer.openVolume() };
    case 'submit':
      return { id, reply: await committer.submit(request.submission) };
    case 'sealVolume':
      await committer.sealVolume(request.volume, request.end, request.damaged);
      return { id };
  }
}
