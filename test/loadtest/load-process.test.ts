/** A process that makes load: answers, failures, Ctrl-C and its end. This file is also what such a process runs. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Belongings } from '../../bench/measure/belongings.ts';
import { isLoadProcess, LoadProcess, serveOrders } from '../../loadtest/suite/load-process.ts';

type Orders = {
  readonly double: { readonly order: Float64Array; readonly result: Float64Array };
  readonly fail: { readonly order: string; readonly result: undefined };
  /** Answers when it is told to stop. */
  readonly wait: { readonly order: undefined; readonly result: string };
  readonly hang: { readonly order: undefined; readonly result: undefined };
  readonly die: { readonly order: undefined; readonly result: undefined };
};

function serve(): void {
  serveOrders<Orders>({
    double: (values) => values.map((value) => value * 2),
    fail: (text) => Promise.reject(new Error(text)),
    wait: (_, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) resolve('at once');
        signal.addEventListener('abort', () => resolve('what there was'), { once: true });
      }),
    hang: () => new Promise(() => {}),
    die: () => process.exit(3),
  });
}

function tests(): void {
  const owned = new Belongings({ endsItself: true });
  after(() => owned.dispose());
  const start = (signal: AbortSignal, stopMsMax = 60_000) =>
    new LoadProcess<Orders>({ owned, cores: 1, signal }, { self: import.meta.filename, stopMsMax });

  test('orders are answered with what they bring, or with what went wrong', async () => {
    const process = start(new AbortController().signal);
    const [doubled, failed] = await Promise.allSettled([
      process.ask('double', Float64Array.of(1, Number.NaN)),
      process.ask('fail', 'no such thing'),
    ]);
    assert.deepEqual(doubled.status === 'fulfilled' && doubled.value, Float64Array.of(2, Number.NaN));
    assert.match(String(failed.status === 'rejected' && failed.reason), /no such thing/);
    assert.ok(process.cpuSeconds() > 0);
    await process.end();
    await assert.rejects(process.ask('wait', undefined), /is not there any more/);
  });

  test('Ctrl-C is told to what runs, which answers, and to what is ordered later', async () => {
    const controller = new AbortController();
    const process = start(controller.signal);
    await process.ask('double', new Float64Array(0)); // it is there
    const waiting = process.ask('wait', undefined);
    controller.abort();
    assert.equal(await waiting, 'what there was');
    assert.equal(await process.ask('wait', undefined), 'at once');
    const late = start(controller.signal);
    assert.equal(await late.ask('wait', undefined), 'at once');
  });

  test('what does not end after Ctrl-C is given up, and so is what a process that dies was asked', async () => {
    const controller = new AbortController();
    const process = start(controller.signal, 1);
    await process.ask('double', new Float64Array(0));
    const hanging = process.ask('hang', undefined);
    controller.abort(new Error('interrupted'));
    await assert.rejects(hanging, /interrupted/);
    await assert.rejects(start(new AbortController().signal).ask('die', undefined), /a load process ended \(3\)/);
  });
}

if (isLoadProcess()) serve();
else tests();
