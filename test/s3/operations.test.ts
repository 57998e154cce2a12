import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPERATIONS } from '../../src/fronts/s3/operations.ts';

test('every operation has one row and one name', () => {
  const rows = OPERATIONS.map(({ method, level, select }) => `${method} ${level} ${select}`);
  const names = OPERATIONS.map(({ name }) => name);
  assert.equal(new Set(rows).size, rows.length);
  assert.equal(new Set(names).size, names.length);
});

test('what is supported runs, what is not does not, and what is partial says what is missing', () => {
  for (const { name, support, run, note } of OPERATIONS) {
    assert.equal(run === undefined, support === 'none', name);
    if (support === 'partial') assert.ok(note.length > 0, name);
  }
});
