/** The table of `penstock status`: what people read of classes, totals and backlog. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusLines } from '../../src/cli/status.ts';
import { storedLines } from '../../src/cli/stored-lines.ts';
import type { GatewayStatus } from '../../src/fronts/admin/status.ts';
import type { StoredStatus } from '../../src/fronts/admin/stored-status.ts';

const MiB = 1024 * 1024;
const STORED: StoredStatus = {
  classes: [
    { class: 'ct', objects: 1234, bytes: 600 * MiB, storedBytes: 200 * MiB, ratio: 3 },
    { class: 'compressed', objects: 2, bytes: 10 * MiB, storedBytes: 10 * MiB, ratio: 1 },
  ],
  parts: { count: 0, bytes: 0, storedBytes: 0 },
  dictionaries: { count: 5, storedBytes: 2 * MiB },
  indexBytes: MiB,
  total: { objects: 1236, bytes: 610 * MiB, storedBytes: 213 * MiB, ratio: 610 / 213 },
  backlog: { objects: 0, bytes: 0 },
  coding: { coded: 0, raw: 0, mismatches: 0, unreadable: 0 },
};

function look(stored: Partial<StoredStatus> | undefined, uptimeMs = 60_000): GatewayStatus {
  return {
    version: '0.1.0',
    pid: 10,
    ready: true,
    startedMs: 0,
    uptimeMs,
    data: '/data',
    tls: false,
    addresses: { s3: '127.0.0.1:9000', grpc: '127.0.0.1:9002', admin: '127.0.0.1:9001' },
    keeper: { name: 'keeper', pid: 11, state: 'ready', restarts: 0 },
    workers: [],
    operations: [],
    receivedBytes: 0,
    sentBytes: 0,
    ...(stored !== undefined && { stored: { ...STORED, ...stored } }),
    figures: {},
  };
}

const waiting = (objects: number, bytes: number): Partial<StoredStatus> => ({ backlog: { objects, bytes } });

test('classes, what else takes room, and the total stand under each other', () => {
  assert.deepEqual(storedLines(look({}), undefined), [
    'class                          objects    bytes in      stored   ratio',
    'CT                               1,234     600 MiB     200 MiB    3.00',
    'already compressed                   2    10.0 MiB    10.0 MiB    1.00',
    'dictionaries (5)                                      2.00 MiB',
    'index                                                 1.00 MiB',
    'total                            1,236     610 MiB     213 MiB    2.86',
  ]);
});

test('parts of uploads have a line while there are any, dictionaries too', () => {
  const lines = storedLines(
    look({
      parts: { count: 3, bytes: 5 * MiB, storedBytes: 6 * MiB },
      dictionaries: { count: 0, storedBytes: 0 },
    }),
    undefined,
  );
  assert.ok(lines.includes('parts of uploads (3)                      5.00 MiB    6.00 MiB'), lines.join('\n'));
  assert.ok(!lines.some((line) => line.startsWith('dictionaries')));
});

test('a backlog has a line, with a rate from the second look on', () => {
  const last = (now: GatewayStatus, before?: GatewayStatus) => storedLines(now, before).at(-1);
  const now = look(waiting(1, 30 * MiB), 62_000);
  assert.equal(last(now), 'backlog   1 object, 30.0 MiB not looked at yet');
  assert.equal(
    last(now, look(waiting(3, 50 * MiB))),
    'backlog   1 object, 30.0 MiB not looked at yet, shrinks by 10.0 MiB/s, 3.0 s to go',
  );
  assert.equal(last(now, look(waiting(0, 0))), 'backlog   1 object, 30.0 MiB not looked at yet, grows by 15.0 MiB/s');
  assert.equal(last(now, look(waiting(1, 30 * MiB))), 'backlog   1 object, 30.0 MiB not looked at yet');
  assert.equal(last(now, look(undefined)), 'backlog   1 object, 30.0 MiB not looked at yet');
  assert.match(last(look({}, 62_000), now) ?? '', /^total/);
});

test('objects that nobody can code are told of while they are in the backlog', () => {
  const coding = { ...STORED.coding, unreadable: 2 };
  const of = (stored: Partial<StoredStatus>) => storedLines(look({ ...stored, coding }), undefined).at(-1) ?? '';
  assert.match(of(waiting(2, 10)), /^damaged {3}2 could not be read to be coded; `penstock doctor` says which$/);
  assert.match(of({}), /^total/);
});

test('an empty store has no table, and neither has storage that knows of no classes', () => {
  const total = { objects: 0, bytes: 0, storedBytes: 0, ratio: null };
  assert.deepEqual(storedLines(look({ classes: [], total }), undefined), []);
  assert.deepEqual(storedLines(look(undefined), undefined), []);
  assert.doesNotMatch(statusLines(look(undefined), undefined).join('\n'), /class|\n\n\n/);
});
