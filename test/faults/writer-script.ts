/**
 * A bare store with a load of its own in a process of its own, for tests that kill it. Says `begin` before every write and `end`
 * after it; the test that counts on it reads both in order, so a kill can hide an acknowledgement but never invent one.
 */
import { createHash } from 'node:crypto';
import { systemClock, systemRandom } from '../../src/base/clock.ts';
import { GatewayError } from '../../src/base/errors.ts';
import type { BucketName, ObjectKey } from '../../src/base/names.ts';
import type { PutSource, WriteConditions } from '../../src/base/object-store.ts';
import { DirectWriter } from '../../src/store/direct-writer.ts';
import { KeeperClient } from '../../src/store/keeper-client.ts';
import { type LocalStore, openLocalStore } from '../../src/store/local-store.ts';
import { bytesOf } from './version-bytes.ts';
import { SWAP, type WriterNote, type WriterStart } from './writer-notes.ts';

const KEYS = 40;
const BIG = 4 * 1024 * 1024 + 4321;
const log = { info: () => {}, warn: () => {}, error: () => {} };

process.on('disconnect', () => process.exit(1));
process.once('message', (start: WriterStart) => void run(start));
process.send?.('loaded');

async function run(start: WriterStart): Promise<void> {
  const { root, socket, session } = start;
  const committer = await KeeperClient.connect({ socketPath: socket, session, log });
  const tools = { clock: systemClock, random: systemRandom, log };
  // Many groups go past the page cache, as large ones do.
  const store = openLocalStore({ root, committer, ...tools, direct: new DirectWriter(16 * 1024) });
  process.send?.('ready');
  let seed = start.seed;
  for (let loop = 0; loop < start.loops; loop++) void write(loop);
  void count();

  async function write(loop: number): Promise<void> {
    for (;;) {
      // Keys by loop: one writer process at a time lives under a name, so nobody else writes them.
      const key = `${start.name}/${loop}/${Math.floor(Math.random() * KEYS)}`;
      const choice = Math.random() * 100;
      const size = choice < 20 ? -1 : choice < 21 ? BIG : Math.floor(Math.random() * 20_000);
      const version = ++seed;
      await noted('begin', key, version, size); // a write that nobody has heard of must not happen
      await settle(key, version, size, () =>
        size < 0 ? remove(store, key) : put(store, key, version, size, choice > 70),
      );
    }
  }

  async function settle(key: string, version: number, size: number, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      note('end', key, version, size);
    } catch (error) {
      const isUnknown = !(error instanceof GatewayError) || error.code === 'StoreBusy';
      if (isUnknown) process.stderr.write(`writer: ${String(error)}\n`);
      note(isUnknown ? 'unknown' : 'refused', key, version, size);
    }
  }

  /** Adds one name to a list that all writers share, each time over exactly the list that it read. */
  async function count(): Promise<void> {
    const key = start.counter as ObjectKey;
    for (;;) {
      const name = ++seed;
      const current = await store.objects.get('counters' as BucketName, key, {});
      if (current !== undefined && 'kind' in current) continue;
      const bytes = Buffer.from(`${current === undefined ? '' : (current.body as Buffer).toString()}${name},`);
      const conditions: WriteConditions = current === undefined ? { ifNoneMatch: '*' } : { ifMatch: current.info.etag };
      await noted('swap', key, name, SWAP.begun);
      try {
        await store.objects.put('counters' as BucketName, key, sourceOf(bytes), conditions);
        note('swap', key, name, SWAP.done);
      } catch (error) {
        const isRefused = error instanceof GatewayError && error.code !== 'StoreBusy';
        note('swap', key, name, isRefused ? SWAP.refused : SWAP.unknown);
      }
    }
  }
}

function remove(store: LocalStore, key: string): Promise<void> {
  return store.objects.remove('images' as BucketName, key as ObjectKey);
}

async function put(store: LocalStore, key: string, version: number, size: number, decided: boolean): Promise<unknown> {
  const existing = decided ? await store.objects.head('images' as BucketName, key as ObjectKey) : undefined;
  const conditions: WriteConditions = !decided
    ? {}
    : existing === undefined
      ? { ifNoneMatch: '*' }
      : { ifMatch: existing.etag };
  return store.objects.put('images' as BucketName, key as ObjectKey, sourceOf(bytesOf(version, size)), conditions);
}

function sourceOf(bytes: Buffer): PutSource {
  return { kind: 'bytes', bytes, stored: { etag: md5(bytes), contentType: undefined, attributes: {} } };
}

function note(...what: WriterNote): void {
  process.send?.(what);
}

/** Resolves when the note has left this process. */
function noted(...what: WriterNote): Promise<void> {
  return new Promise((resolve) => process.send?.(what, undefined, undefined, () => resolve()));
}

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}
