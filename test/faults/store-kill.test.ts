/**
 * Who commits to the index, proven by killing: keeper and workers as bare processes without HTTP, killed by the hundred while all
 * of them write. Nothing acknowledged is lost, no environment of LMDB panics, and of racing conditional writes none is answered
 * wrongly: what was acknowledged is in the shared list once, and what was refused is not. Meanwhile the keeper codes and compacts.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BucketName, ObjectKey } from '../../src/base/names.ts';
import { Entry } from '../../src/format/index-entry.ts';
import type { Keeper } from '../../src/store/keeper.ts';
import { accountsHold } from '../store/coding-scene.ts';
import { openEmbedded } from '../store/local-scene.ts';
import { compileScripts } from './compiled-scripts.ts';
import { IS_LONG } from './fault-scene.ts';
import { type Attempt, Ledger } from './ledger.ts';
import { bytesOf } from './version-bytes.ts';
import { SWAP, type WriterNote, type WriterStart } from './writer-notes.ts';

const KILLS = IS_LONG ? 1000 : 100;
const KILLS_BETWEEN_CHECKS = 10;
const WRITERS = ['a', 'b', 'c'];
const LOOPS = 6;

const folder = mkdtempSync(join(tmpdir(), 'penstock-kills-'));
const root = join(folder, 'store');
const [keeperScript, writerScript] = compileScripts(
  join(folder, 'js'),
  'keeper-script',
  'writer-script',
  'writer-notes',
  'version-bytes',
) as [string, string];
const alive = new Set<ChildProcess>();
after(() => {
  for (const child of alive) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** A process that has loaded its program and waits for its orders, with what it wrote to stderr. */
class Standby {
  readonly child: ChildProcess;
  readonly loaded: Promise<unknown>;
  readonly gone: Promise<unknown>;

  constructor(script: string, errors: string[]) {
    this.child = fork(script, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'], execArgv: [] });
    alive.add(this.child);
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => errors.push(text));
    this.loaded = once(this.child, 'message');
    // What it said before its end is read when the channel is drained, which may be after its exit.
    this.gone = Promise.all([once(this.child, 'exit'), once(this.child, 'disconnect')]).then(() =>
      alive.delete(this.child),
    );
  }

  /** Resolves when it works. */
  async start(orders: object): Promise<void> {
    await this.loaded;
    const ready = new Promise<void>((resolve) => {
      const listen = (message: unknown) => {
        if (message !== 'ready') return;
        this.child.off('message', listen);
        resolve();
      };
      this.child.on('message', listen);
      void this.gone.then(() => resolve());
    });
    this.child.send(orders, () => {});
    await ready;
  }
}

class Scene {
  readonly ledger = new Ledger(({ seed, size }) => bytesOf(seed, size));
  readonly errors: string[] = [];
  readonly #socket: string;
  readonly #attempts = new Map<string, Attempt>();
  readonly #swaps = new Map<number, { key: string; state: number }>();
  #keeper: Standby | undefined;
  #nextKeeper = new Standby(keeperScript, this.errors);
  #nextWriter = new Standby(writerScript, this.errors);
  readonly #writers = new Map<string, { standby: Standby; session: string }>();
  #incarnation = 0;
  counter = 'list-0';
  /** Objects that were stored coded, at all checks together. */
  codedObjects = 0;
  notes = 0;

  constructor() {
    mkdirSync(join(folder, 'sockets'));
    this.#socket = join(folder, 'sockets', 'keeper');
  }

  async startKeeper(): Promise<void> {
    this.#keeper = this.#nextKeeper;
    this.#nextKeeper = new Standby(keeperScript, this.errors);
    const sessions = [...this.#writers.values()].map(({ session }) => session);
    await this.#keeper.start({ start: { root, socket: this.#socket, alive: sessions } });
  }

  async startWriter(name: string): Promise<void> {
    const standby = this.#nextWriter;
    this.#nextWriter = new Standby(writerScript, this.errors);
    const session = `session-${++this.#incarnation}`;
    this.#writers.set(name, { standby, session });
    standby.child.on('message', (note: WriterNote | string) => typeof note !== 'string' && this.#note(note));
    const seed = this.#incarnation * 1_000_000;
    await standby.start({
      root,
      socket: this.#socket,
      session,
      name,
      loops: LOOPS,
      seed,
      counter: this.counter,
    } satisfies WriterStart);
  }

  async killKeeper(): Promise<void> {
    this.#keeper?.child.kill('SIGKILL');
    await this.#keeper?.gone;
    this.#keeper = undefined;
  }

  /** Resolves when all that it had said is in the ledger. */
  async killWriter(name: string): Promise<void> {
    const writer = this.#writers.get(name);
    if (writer === undefined) return;
    writer.standby.child.kill('SIGKILL');
    await writer.standby.gone;
    this.#writers.delete(name);
    this.#keeper?.child.send({ exited: writer.session });
  }

  async killAll(): Promise<void> {
    for (const { standby } of this.#writers.values()) standby.child.kill('SIGKILL');
    this.#keeper?.child.kill('SIGKILL');
    await this.killKeeper();
    for (const name of WRITERS) await this.killWriter(name);
  }

  async startAll(): Promise<void> {
    await this.startKeeper();
    for (const name of WRITERS) await this.startWriter(name);
  }

  #note([what, key, seed, size]: WriterNote): void {
    this.notes++;
    if (what === 'swap') {
      this.#swaps.set(seed, { key, state: size });
      return;
    }
    const id = `${key}@${seed}`;
    if (what === 'begin') this.#attempts.set(id, this.ledger.begin(key, size < 0 ? 'absent' : { seed, size }));
    const attempt = this.#attempts.get(id);
    if (what === 'end') attempt?.acknowledge();
    if (what === 'refused') attempt?.refuse();
    if (what === 'unknown') attempt?.leaveOpen();
    if (what !== 'begin') this.#attempts.delete(id);
  }

  /** What the volumes alone say must be what the index said. */
  async checkRebuilt(): Promise<void> {
    rmSync(join(root, 'index'), { recursive: true });
    await this.check();
  }

  /** Opens the store here, while nobody else has it, and compares. */
  async check(): Promise<void> {
    const { store, keeper, close } = await openEmbedded(root);
    const faults: string[] = [];
    accountsHold(keeper);
    this.codedObjects += codedIn(keeper);
    for (const key of this.ledger.keys()) {
      const fault = this.ledger.judge(key, await read('images', key));
      if (fault !== undefined) faults.push(fault);
    }
    const list = await read('counters', this.counter);
    const names = list === 'absent' ? [] : list.toString().split(',').slice(0, -1).map(Number);
    for (const [name, { key, state }] of this.#swaps) {
      if (key !== this.counter) continue;
      const times = names.filter((other) => other === name).length;
      if (state === SWAP.done && times !== 1)
        faults.push(`addition ${name} was acknowledged and is there ${times} times`);
      if (state === SWAP.refused && times !== 0) faults.push(`addition ${name} was refused and is there`);
      if (times > 1) faults.push(`addition ${name} is there ${times} times`);
    }
    await close();
    const said = this.errors.slice(-40).join('\n');
    assert.deepEqual(
      faults.slice(0, 20),
      [],
      `${faults.slice(0, 20).join('\n')}\nwhat keepers and writers said:\n${said}`,
    );

    async function read(bucket: string, key: string): Promise<Buffer | 'absent'> {
      const found = await store.objects.get(bucket as BucketName, key as ObjectKey, {});
      if (found === undefined || 'kind' in found) return 'absent';
      if (Buffer.isBuffer(found.body)) return found.body;
      const chunks: Buffer[] = [];
      for await (const chunk of found.body) chunks.push(chunk);
      return Buffer.concat(chunks);
    }
  }
}

function codedIn({ index }: Keeper): number {
  let coded = 0;
  for (const { value } of index.range('objects', Buffer.from([0]), undefined))
    if ((new Entry(value).payload?.codec ?? 0) !== 0) coded++;
  return coded;
}

test(`keeper and writers killed ${KILLS} times lose nothing`, { timeout: IS_LONG ? 900_000 : 180_000 }, async () => {
  const made = await openEmbedded(root);
  for (const bucket of ['images', 'counters'])
    await made.store.buckets.create(bucket as BucketName, 'me', { acl: 'private' });
  await made.close();
  const scene = new Scene();
  await scene.startAll();
  for (let kill = 1; kill <= KILLS; kill++) {
    await sleep(Math.random() * 120);
    if (kill % KILLS_BETWEEN_CHECKS === 0) {
      await scene.killAll();
      await scene.check();
      await scene.checkRebuilt();
      scene.counter = `list-${kill}`;
      await scene.startAll();
    } else if (Math.random() < 0.5) {
      await scene.killKeeper();
      await scene.startKeeper();
    } else {
      const name = WRITERS[kill % WRITERS.length] as string;
      await scene.killWriter(name);
      await scene.startWriter(name);
    }
  }
  await scene.killAll();
  await scene.check();
  await scene.checkRebuilt();
  assert.deepEqual(
    scene.errors.filter((line) => !/Warning/.test(line)),
    [],
  );
  assert.ok(scene.codedObjects > 0, 'nothing was coded');
  assert.ok(scene.ledger.acknowledgements > KILLS * 10, `${scene.ledger.acknowledgements} writes were acknowledged`);
});
