/** What the connection scenarios judge by: bounds of this machine, what a store must hold, who starves, what grows. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { judgeClients } from '../../loadtest/connections/clients-figures.ts';
import { judgeFairness, type Situation } from '../../loadtest/connections/fairness-figures.ts';
import { hardLimitIn, sourceOf, tooMany } from '../../loadtest/connections/open-files.ts';
import { roleIn } from '../../loadtest/connections/process-state.ts';
import { judgeSoak, type SoakSample } from '../../loadtest/connections/soak-figures.ts';
import { chanceFrom, type Operation, SoakSlots, VERSIONS } from '../../loadtest/connections/soak-slots.ts';
import { makeDataSet } from '../../loadtest/suite/data-set.ts';
import { percentilesOf } from '../../loadtest/suite/run-report.ts';

describe('what a process may open', () => {
  test('is read from its limits', () => {
    const line = (hard: string) =>
      `Limit  Soft  Hard  Units\nMax open files            1024                 ${hard}              files\n`;
    assert.equal(hardLimitIn(line('20000')), 20_000);
    assert.equal(hardLimitIn(line('unlimited')), Number.POSITIVE_INFINITY);
  });

  test('too much is refused with how many are possible, which then are', () => {
    assert.equal(tooMany(10_000, 20_000), undefined);
    const text = tooMany(20_000, 20_000) ?? '';
    assert.match(text, /20000 connections need 20768 open files .* hard limit here is 20000/);
    const possible = Number(/(\d+) connections are possible/.exec(text)?.[1]);
    assert.equal(tooMany(possible, 20_000), undefined);
    assert.notEqual(tooMany(possible + 1, 20_000), undefined);
  });

  test('connections come from as many addresses of loopback as ports need, and elsewhere from any', () => {
    const uses = new Map<string, number>();
    for (let n = 0; n < 20_000; n += 1) {
      const source = sourceOf(n, '127.0.0.1') as string;
      assert.match(source, /^127\.0\.0\.[1-9]\d*$/);
      uses.set(source, (uses.get(source) ?? 0) + 1);
    }
    assert.ok([...uses.values()].every((count) => count < 28_000 / 2));
    assert.equal(sourceOf(5, '192.0.2.7'), undefined);
    assert.equal(sourceOf(5, '::1'), undefined);
  });

  test('processes of a gateway are known by what they do', () => {
    assert.equal(roleIn('/usr/bin/node\0/x/dist/main.js\0serve\0/data\0'), 'supervisor');
    assert.equal(roleIn('penstock worker-1'), 'worker-1');
    assert.equal(roleIn('/usr/sbin/nginx\0-c\0'), 'nginx');
  });
});

function slotsOf(count: number, seed: number): SoakSlots {
  const spec = { sizes: { kind: 'fixed', bytes: 64 }, bytesFrom: 'random', seed: 1, prefix: 'x' } as const;
  return new SoakSlots(makeDataSet({ ...spec, count: count * VERSIONS }), 'live', chanceFrom(seed));
}

describe('what a store must hold', () => {
  test('is what was last acknowledged, and certain only then', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom<Operation>('PUT', 'DELETE'), fc.boolean()), { maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.nat(), (operations, seed) => {
        const slots = slotsOf(3, seed);
        const held = new Map<number, string | undefined>();
        for (const [operation, isAnswered] of operations) {
          const slot = slots.take(operation);
          if (slot === undefined) continue;
          const body = operation === 'PUT' ? slots.nextBody(slot) : undefined;
          if (operation === 'DELETE') slots.deleting(slot);
          assert.equal(slots.isCertain(slot), false);
          held.delete(slot);
          if (isAnswered) {
            if (body === undefined) slots.gone(slot);
            else slots.written(slot);
            held.set(slot, body?.toString('hex'));
          }
          slots.done(slot);
        }
        for (let slot = 0; slot < slots.count; slot += 1) {
          assert.equal(slots.isCertain(slot), held.has(slot));
          const expected = held.get(slot);
          assert.equal(slots.wanted(slot).content?.size, expected === undefined ? undefined : expected.length / 2);
        }
      }),
    );
  });

  test('a new version is other bytes than the last', () => {
    const slots = slotsOf(1, 7);
    const bodies = Array.from({ length: VERSIONS }, () => slots.nextBody(0).toString('hex'));
    assert.equal(new Set(bodies).size, VERSIONS);
  });

  test('nobody gets a key that another has, or an uncertain one to read or to delete', () => {
    const slots = slotsOf(2, 3);
    assert.equal(slots.take('GET'), undefined);
    assert.equal(slots.take('DELETE'), undefined);
    const first = slots.take('PUT') as number;
    const second = slots.take('PUT') as number;
    assert.notEqual(first, second);
    assert.equal(slots.take('PUT'), undefined);
    slots.nextBody(first);
    slots.written(first);
    slots.done(first);
    assert.equal(slots.take('DELETE'), first);
  });
});

function samplesOf(minutes: number, memoryAt: (i: number) => number, filesAt: (i: number) => number): SoakSample[] {
  return Array.from({ length: 60 }, (_, i) => ({
    seconds: (i * minutes * 60) / 59,
    states: [{ role: 'worker-1', anonymousBytes: memoryAt(i) + i * 1e6, descriptors: filesAt(i) }],
    figures: { cache_bytes: i * 1e6 },
    errors: 0,
  }));
}

describe('the verdict of a soak', () => {
  const sawtooth = (i: number): number => 100e6 + (i % 9) * 2e6;

  test('passes what is flat but for its cache', () => {
    assert.equal(
      judgeSoak(
        samplesOf(5, sawtooth, () => 80),
        0.1,
      )?.isPassed,
      true,
    );
  });

  test('fails memory or open files that grow, and says by how much', () => {
    const memory = judgeSoak(
      samplesOf(
        5,
        (i) => sawtooth(i) + i * 1e6,
        () => 80,
      ),
      0.1,
    );
    assert.equal(memory?.isPassed, false);
    assert.match(memory?.text ?? '', /^memory grew by 5\d\.\d MB over the last 5\.0 min$/);
    const files = judgeSoak(
      samplesOf(5, sawtooth, (i) => 80 + Math.floor(i / 3)),
      0.1,
    );
    assert.match(files?.text ?? '', /^open files grew by /);
  });

  test('is not given after less than a minute', () => {
    assert.equal(
      judgeSoak(
        samplesOf(
          0.9,
          (i) => i * 1e9,
          () => 80,
        ),
        0.1,
      ),
      undefined,
    );
    assert.equal(judgeSoak([], 0.1), undefined);
  });
});

describe('the verdict of fairness', () => {
  const plan = { jainMin: 0.9, waitMaxMs: 1000 };
  const situation = (more: Partial<Situation>): Situation => ({
    protocol: 's3',
    name: 'alone',
    round: 1,
    leastShare: 1,
    greedyMBps: 0,
    latenessMs: 0,
    errors: 0,
    latency: percentilesOf(Float64Array.of(1, 2, 3), true),
    ...more,
  });

  test('passes when everybody is served in time', () => {
    assert.equal(judgeFairness([situation({}), situation({ jain: 0.95, leastShare: 0.5 })], plan).isPassed, true);
  });

  test('fails for one who starves, one who waits, or uneven shares, and names them', () => {
    const text = (more: Partial<Situation>): string => {
      const { isPassed, text: said } = judgeFairness([situation({}), situation(more)], plan);
      assert.equal(isPassed, false);
      return said;
    };
    assert.match(text({ leastShare: 0.4, name: 'beside' }), /S3 clients, beside: one got 40 %/);
    assert.match(text({ latency: percentilesOf(Float64Array.of(1, 1500), true) }), /one waited 1500 ms/);
    assert.match(text({ jain: 0.5 }), /index is 0.500/);
  });
});

test('memory is judged at the last step of up to 10,000 S3 connections', () => {
  const step = (connections: number, mb: number) => ({
    target: 'penstock',
    name: `${connections} S3`,
    connections,
    protocol: 's3' as const,
    states: [{ role: 'worker-1', anonymousBytes: mb * 1e6, descriptors: 1 }],
    openBytes: 0,
  });
  const steps = [step(0, 100), step(1000, 900), step(10_000, 450), step(20_000, 2000)];
  assert.equal(judgeClients(steps, 'penstock', 500)?.isPassed, true);
  assert.equal(judgeClients(steps, 'penstock', 400)?.isPassed, false);
  assert.equal(judgeClients(steps, 'penstock', 0), undefined);
  assert.equal(judgeClients(steps, 'another', 500), undefined);
});
