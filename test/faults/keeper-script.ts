/**
 * A bare keeper in a process of its own, for tests that kill it: no HTTP, no supervisor. Lives until it is killed, and never rests: it codes
 * and compacts all the time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { codecSetOf } from '../../src/codec/codec-set.ts';
import { loadCodecs } from '../../src/codec/codecs.ts';
import { directCoder } from '../../src/codec/direct-coder.ts';
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
  const coder = directCoder(codecSetOf((await loadCodecs()).all));
  keeper = await Keeper.open({ root, clock: systemClock, log, aliveSessions: alive, coder });
  await serveKeeper(keeper, socket);
  process.send?.('ready');
  for (;;) {
    await keeper.tidy();
    for (const volume of keeper.index.volumes())
      if (!volume.sealed && volume.end > 4_000_000) keeper.wantSealed(volume);
    await sleep(5);
  }
}
process.send?.('loaded');
