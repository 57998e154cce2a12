/** The pool with threads that do as they are told: order, gathering, bounds, and what happens when a thread does not survive. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import { CodecPool, type CodecPoolParts } from '../../src/codec/codec-pool.ts';
import { type DecodeItem, type EncodeItem, PAYLOAD_CODEC } from '../../src/codec/object-coding.ts';
import { CONTENT_CLASS } from '../../src/format/content.ts';

const ENTRY = new URL('./stand-in-thread.ts', import.meta.url);

function poolOf(t: TestContext, threads: number, parts: Partial<CodecPoolParts> = {}, isBackground = false): CodecPool {
  const pool = new CodecPool({ threads, isBackground }, { entry: ENTRY, ...parts });
  t.after(() => pool.close());
  return pool;
}

function item(command: string, more: Partial<DecodeItem> = {}): DecodeItem {
  return {
    codec: PAYLOAD_CODEC.sections,
    stored: Buffer.from(command),
    size: 100,
    crc: 5,
    dictionary: undefined,
    ...more,
  };
}

function told(command: string): EncodeItem {
  return { bytes: Buffer.from(command), options: { profile: 'default' } };
}

async function texts(answers: Promise<readonly (Buffer | Error)[]>): Promise<string[]> {
  return (await answers).map((answer) =>
    answer instanceof GatewayError ? answer.code : answer instanceof Error ? answer.message : answer.toString(),
  );
}

/** Nice of each thread of this process by its number: field 19 of proc_pid_stat(5). */
function prioritiesOfThreads(): Map<string, number> {
  const found = new Map<string, number>();
  for (const thread of readdirSync('/proc/self/task')) {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
    found.set(thread, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]));
  }
  return found;
}

describe('work', () => {
  test('comes back in its order from several threads, each result in memory of its own', async (t) => {
    const pool = poolOf(t, 2);
    const names = Array.from({ length: 100 }, (_, index) => `object ${index}`);
    const answers = await pool.decode(names.map((name) => item(name)));
    assert.deepEqual(answers.map(String), names);
    for (const answer of answers) assert.equal((answer as Buffer).buffer.byteLength, (answer as Buffer).length);
    const [own] = await pool.decode([item('own', { size: 70_000 })]);
    assert.ok(Buffer.alloc(70_000, 7).equals(own as Buffer));
    assert.deepEqual(
      await texts(pool.decode([item('moved')])),
      ['true'],
      'a result that was its own came without a copy',
    );
    assert.equal(pool.stats.items, 102);
    assert.equal(pool.stats.queuedBytes, 0);
  });

  test('carries everything that its items say', async (t) => {
    const pool = poolOf(t, 1);
    const range = { start: 3, end: 9 };
    assert.deepEqual(await texts(pool.decode([item('range', { codec: 1, size: 12, crc: 13, range })])), [
      JSON.stringify([1, 12, 13, range]),
    ]);
    const hint = { class: CONTENT_CLASS.pt, pixels: undefined };
    const [coded, raw] = await pool.encode([
      { bytes: Buffer.from('abc'), options: { profile: 'max-ratio', hint } },
      { bytes: Buffer.alloc(0), options: { profile: 'default' } },
    ]);
    assert.equal(String(coded?.stored), `codecs abc ${JSON.stringify({ profile: 'max-ratio', hint })}`);
    assert.deepEqual(
      { ...coded, stored: 0 },
      { class: CONTENT_CLASS.mr, codec: 2, stored: 0, dictionaryId: 3, mismatches: 2 },
    );
    assert.equal(raw?.stored, undefined);
    assert.deepEqual(
      (await pool.examine([Buffer.alloc(5), Buffer.alloc(0)])).map((content) => content.headerLength),
      [5, 0],
    );
    const { examineTasks, encodeTasks, decodeTasks, items } = pool.stats;
    assert.deepEqual([examineTasks, encodeTasks, decodeTasks, items], [1, 1, 1, 5]);
  });

  test('of nothing needs no thread', async (t) => {
    const pool = poolOf(t, 1);
    assert.deepEqual(await pool.decode([]), []);
    assert.equal(pool.stats.threads, 0);
  });

  test('of several callers that comes in one turn of the event loop makes one task', async (t) => {
    const pool = poolOf(t, 1);
    const names = Array.from({ length: 16 }, (_, index) => `${index}`);
    // Each in a callback of its own, as connections have them.
    const calls = names.map((name) => turn().then(() => texts(pool.decode([item(name)]))));
    assert.deepEqual((await Promise.all(calls)).flat(), names);
    assert.equal(pool.stats.decodeTasks, 1);
  });

  test('keeps the caller’s input buffers as they are', async (t) => {
    const pool = poolOf(t, 1);
    const stored = Buffer.alloc(100_000, 'x');
    await pool.decode([item('', { stored })]);
    assert.ok(stored.equals(Buffer.alloc(100_000, 'x')));
  });

  test('brings a dictionary to a thread once, and never another one with the same id', async (t) => {
    const pool = poolOf(t, 1);
    const first = { id: 9, bytes: Buffer.from('first') };
    const second = { id: 9, bytes: Buffer.from('second') };
    const ask = () =>
      texts(pool.decode([first, second, first].map((dictionary) => item('dictionary', { dictionary }))));
    const expected = ['9 first same', '9 second same', '9 first same'];
    assert.deepEqual(await ask(), expected);
    assert.deepEqual(await ask(), expected);
  });

  test('beyond the bound waits, and is done in order', async (t) => {
    const pool = poolOf(t, 1);
    const done: number[] = [];
    const big = { size: LIMITS.extentBytes };
    const calls = [0, 1, 2, 3].map(async (call) => {
      const answers = pool.decode(Array.from({ length: 10 }, () => item('big', big)));
      assert.ok(pool.stats.queuedBytes <= LIMITS.codecBytesMax);
      await answers;
      assert.ok(pool.stats.queuedBytes <= LIMITS.codecBytesMax);
      done.push(call);
    });
    assert.ok(pool.stats.queuedBytes > LIMITS.codecBytesMax - LIMITS.extentBytes - LIMITS.codecItemBytes * 20);
    await Promise.all(calls);
    assert.deepEqual(done, [0, 1, 2, 3]);
    assert.equal(pool.stats.queuedBytes, 0);
  });
});

describe('threads', () => {
  test('start with the first task, as many as there is work for, and end when there is none', async (t) => {
    const pool = poolOf(t, 2, { idleMs: 1 });
    assert.equal(pool.stats.threads, 0);
    await pool.decode([item('a')]);
    assert.equal(pool.stats.threads, 1);
    while (pool.stats.threads > 0) await turn();
    assert.deepEqual(await texts(pool.decode([item('b')])), ['b']);
    assert.equal(pool.stats.lostThreads, 0);
  });

  test('of a background pool yield to every other thread, and only they', {
    skip: process.platform !== 'linux',
  }, async (t) => {
    const before = prioritiesOfThreads();
    const background = poolOf(t, 2, {}, true);
    const large = { size: LIMITS.codecTaskBytesMax };
    await background.decode([item('a', large), item('b', large), item('c', large)]);
    await poolOf(t, 1).decode([item('a')]);
    await readFile(ENTRY); // the thread pool, if it had not been started before
    const after = prioritiesOfThreads();
    for (const [thread, nice] of before) assert.equal(after.get(thread), nice);
    const lowered = [...after].filter(([thread, nice]) => nice === 19 && !before.has(thread));
    assert.equal(lowered.length, background.stats.threads);
    assert.ok(after.size > before.size + lowered.length);
  });

  test('let their event loop turn between tasks, which is where native memory is freed', async (t) => {
    const pool = poolOf(t, 1);
    const turns: string[] = [];
    for (let task = 0; task < 3; task++) turns.push(...(await texts(pool.decode([item('turn')]))));
    assert.deepEqual(turns, ['0', '1', '2']);
  });

  test('that cannot start fail the work, and nothing waits', async (t) => {
    const pool = poolOf(t, 2, { entry: new URL('./no-such-thread.ts', import.meta.url) });
    const large = { size: LIMITS.codecTaskBytesMin };
    assert.deepEqual(await texts(pool.decode([item('a', large), item('b', large), item('c', large)])), [
      'InternalError',
      'InternalError',
      'InternalError',
    ]);
    await assert.rejects(pool.encode([told('a')]), /codec.*no-such-thread|no-such-thread/);
    assert.equal(pool.stats.queuedBytes, 0);
  });

  test('that cannot load their codecs fail the work, and leave nothing raw for good', async (t) => {
    const pool = poolOf(t, 1, { entry: new URL('./stand-in-broken.ts', import.meta.url) });
    await assert.rejects(pool.encode([told('a')]), /do not work: no codecs here/);
    assert.deepEqual(await texts(pool.decode([item('a')])), ['InternalError']);
    assert.deepEqual(await texts(pool.decode([item('a')])), ['a'], 'the next task tries again');
  });
});

describe('a thread that is lost', () => {
  test('fails only the item that ended it', async (t) => {
    const pool = poolOf(t, 1);
    const answers = await texts(pool.decode(['a', 'exit', 'b', 'loss', 'throw', 'c'].map((command) => item(command))));
    assert.deepEqual(answers, ['a', 'InternalError', 'b', 'DataLoss', 'InternalError', 'c']);
    assert.equal(pool.stats.lostThreads, 1);
    assert.deepEqual(await texts(pool.decode([item('again')])), ['again']);
  });

  test('while others work on does not touch their items', async (t) => {
    const pool = poolOf(t, 2);
    const large = { size: LIMITS.codecTaskBytesMax };
    const commands = ['a', 'exit', 'b', 'exit', 'c', 'd'];
    assert.deepEqual(await texts(pool.decode(commands.map((command) => item(command, large)))), [
      'a',
      'InternalError',
      'b',
      'InternalError',
      'c',
      'd',
    ]);
    assert.equal(pool.stats.queuedBytes, 0);
  });

  test('because it hangs is replaced', async (t) => {
    const pool = poolOf(t, 1, { taskMs: 3000 });
    await pool.decode([item('the thread is there')]);
    const [hung] = await pool.decode([item('hang')]);
    assert.match((hung as GatewayError).message, /took longer than 3000 ms/);
    assert.deepEqual(await texts(pool.decode([item('again')])), ['again']);
  });

  test('before its first item says nothing about items', async (t) => {
    const pool = poolOf(t, 1, { entry: new URL('./stand-in-dying.ts', import.meta.url) });
    await assert.rejects(pool.encode([told('a'), told('b')]), /do not work.*code: 3/);
  });

  test('leaves what it should have coded raw, and counts it', async (t) => {
    const pool = poolOf(t, 1);
    const [good, ended, thrown] = await pool.encode([told('good'), told('exit'), told('throw')]);
    assert.equal(good?.mismatches, 2);
    const raw = { class: CONTENT_CLASS.other, codec: 0, stored: undefined, dictionaryId: 0, mismatches: 1 };
    assert.deepEqual([ended, thrown], [raw, raw]);
    const [content, unknown] = await pool.examine([Buffer.from('fine'), Buffer.from('exit')]);
    assert.equal(content?.isCompressed, false);
    assert.equal(unknown?.isCompressed, true);
  });
});

describe('close', () => {
  test('settles what is under way and what waits, and refuses what comes', async () => {
    const pool = new CodecPool({ threads: 1, isBackground: false }, { entry: ENTRY });
    const large = { size: LIMITS.codecTaskBytesMax };
    await pool.decode([item('the thread is there')]);
    const underWay = texts(pool.decode([item('a', large), item('b', large)]));
    await turn(); // cuts the first task
    const blocked = pool.encode([told('x'.repeat(LIMITS.codecBytesMax / 2)), told('y')]);
    const closed = pool.close();
    assert.deepEqual(await texts(pool.decode([item('late')])), ['ServerClosed']);
    assert.deepEqual(await underWay, ['a', 'ServerClosed']);
    await assert.rejects(blocked, { code: 'ServerClosed' });
    await closed;
    await pool.close();
    assert.deepEqual([pool.stats.threads, pool.stats.queuedBytes], [0, 0]);
  });

  test('does not wait for a thread that hangs', async () => {
    const pool = new CodecPool({ threads: 1, isBackground: false }, { entry: ENTRY });
    const hung = texts(pool.decode([item('hang'), item('b')]));
    await turn();
    await pool.close();
    assert.deepEqual(await hung, ['ServerClosed', 'ServerClosed']);
  });
});
