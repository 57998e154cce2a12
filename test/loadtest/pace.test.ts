/** The open loop: every turn, in order, none early, counted from when it was due. */
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { dueMs, keepPace, turnsDue } from '../../loadtest/suite/pace.ts';

const PACES = fc.record({
  rate: fc.double({ min: 0.01, max: 1e6, noNaN: true }),
  turns: fc.integer({ min: 0, max: 10_000 }),
});

describe('the schedule', () => {
  test('has a turn due from its time on, and not before', () => {
    fc.assert(
      fc.property(PACES, fc.nat(10_000), (pace, turn) => {
        fc.pre(turn < pace.turns);
        const at = dueMs(turn, pace.rate);
        assert.ok(turnsDue(at, pace) >= turn + 1);
        if (at > 0) assert.ok(turnsDue(at * (1 - 1e-12) - 1e-12, pace) <= turn);
      }),
    );
  });

  test('has as many turns due as it has turns, and never fewer later than sooner', () => {
    fc.assert(
      fc.property(
        PACES,
        fc.double({ min: -10, max: 1e9, noNaN: true }),
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        (pace, at, more) => {
          assert.ok(turnsDue(at, pace) <= turnsDue(at + more, pace));
          assert.ok(turnsDue(at + more, pace) <= pace.turns);
          assert.equal(turnsDue(dueMs(pace.turns, pace.rate), pace), pace.turns);
          assert.equal(turnsDue(-1, pace), 0);
        },
      ),
    );
  });
});

describe('keeping pace', () => {
  test('begins every turn once, in order, none before it is due', async () => {
    const begun: number[] = [];
    const result = await keepPace({ rate: 5000, turns: 100 }, (turn, dueAtMs) => {
      assert.ok(performance.now() >= dueAtMs);
      begun.push(turn);
    });
    assert.deepEqual(
      begun,
      Array.from({ length: 100 }, (_, turn) => turn),
    );
    assert.equal(result.turns, 100);
    assert.equal(result.latenessMs.length, 100);
    assert.ok(result.latenessMs.every((ms) => ms >= 0));
  });

  test('a turn that holds the loop makes later ones late, and they are still told when they were due', async () => {
    const dues: number[] = [];
    const { latenessMs } = await keepPace({ rate: 1000, turns: 20 }, (turn, dueAtMs) => {
      dues.push(dueAtMs);
      const until = performance.now() + (turn === 3 ? 12 : 0);
      while (performance.now() < until);
    });
    for (let i = 1; i < 20; i += 1) assert.ok(Math.abs((dues[i] as number) - (dues[i - 1] as number) - 1) < 1e-6);
    assert.ok((latenessMs[4] as number) > 10, `turn 4 was ${latenessMs[4]} ms late`);
  });

  test('ends when it is told to', async () => {
    const stop = new AbortController();
    const result = await keepPace({ rate: 1000, turns: 1_000_000 }, (turn) => turn === 5 && stop.abort(), stop.signal);
    assert.ok(result.turns >= 6 && result.turns < 1_000_000);
    assert.equal(result.latenessMs.length, result.turns);
  });

  test('without a turn it ends at once', async () => {
    assert.equal((await keepPace({ rate: 1, turns: 0 }, assert.fail)).turns, 0);
  });
});
