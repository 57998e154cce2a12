/**
 * A child's end of the channel to its supervisor. The supervisor conducts: signals that a terminal or an init system sends to the
 * whole group are left to it, and a child whose supervisor is gone ends by itself.
 */
import { Socket } from 'node:net';
import type { ChildSetup, FromChild, Grace, PortName, ProcessReport, ToChild } from './messages.ts';

/** What a role does once it runs. */
export interface Role {
  readonly report: () => ProcessReport | Promise<ProcessReport>;
  /** Finishes what runs within the grace and closes everything. Called once. */
  readonly stop: (grace: Grace) => Promise<void>;
  readonly onConnection?: (port: PortName, socket: Socket) => void;
  readonly onWorkerExit?: (session: string) => void;
}

/** Starts the role that the supervisor names, and lives until it is told to drain. */
export function followSupervisor(process: NodeJS.Process, start: (setup: ChildSetup) => Promise<Role>): void {
  const send = (message: FromChild) =>
    new Promise<void>((sent) => {
      if (process.send === undefined || !process.connected) return sent();
      process.send(message, undefined, undefined, () => sent());
    });
  let role: Promise<Role> | undefined;
  let ending = false;

  const end = async (grace: Grace) => {
    if (ending) return;
    ending = true;
    const running = await role;
    if (running !== undefined) {
      await running.stop(grace);
      await send({ kind: 'drained', report: await running.report() });
    }
    process.exit(0);
  };
  const fail = async (error: unknown) => {
    await send({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  };
  const receive = async (message: ToChild, handle: unknown) => {
    switch (message.kind) {
      case 'start':
        role = start(message.setup);
        await role;
        return send({ kind: 'ready' });
      case 'drain':
        return end(message.grace);
      case 'report':
        if (role === undefined) return;
        return send({ kind: 'report', id: message.id, report: await (await role).report() });
      case 'worker-exit':
        return (await role)?.onWorkerExit?.(message.session);
      case 'connection':
        // Its client may have gone while it travelled.
        if (handle instanceof Socket) (await role)?.onConnection?.(message.port, handle);
        return send({ kind: 'taken', id: message.id });
    }
  };

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  // At once, and not in order: the lock of the folder died with the supervisor, and the next gateway may be starting. What was
  // acknowledged is on disk.
  process.on('disconnect', () => {
    if (!ending) process.exit(1);
  });
  process.on('message', (message: ToChild, handle: unknown) => {
    receive(message, handle).catch(fail);
  });
  void send({ kind: 'hello' });
}
