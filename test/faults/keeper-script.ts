/** A bare keeper in a process of its own, for tests that kill it: no HTTP, no supervisor. Lives until it is killed. */
import { systemClock } from '../../src/base/clock.ts';
import { Keeper } from '../../src/store/keeper.ts';
import { serveKeeper } from '../../src/store/keeper-server.ts';

const log = {
  info: () => {},
  warn: () => {},
  error: (facts: object, message: string) => process.stderr.write(`keeper: ${message} ${JSON.stringify(facts)}\n`),
};

process.on('disconnect', () => process.exit(1));
process.on('message', (message: { start?: { root: string; socket: string; alive: string[] }; exited?: string }) => {
  void receive(message);
});

let keeper: Keeper | undefined;

async function receive(message: { start?: { root: string; socket: string; alive: string[] }; exited?: string }) {
  if (message.exited !== undefined) keeper?.workerExited(message.exited);
  if (message.start === undefined) return;
  const { root, socket, alive } = message.start;
  keeper = await Keeper.open({ root, clock: systemClock, log, aliveSessions: alive });
  await serveKeeper(keeper, socket);
  process.send?.('ready');
}
process.send?.('loaded');
