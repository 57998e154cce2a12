/** What a scenario reads from its command line, and what it answers to mistakes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import {
  COMMON_OPTIONS,
  numbersWithin,
  numberWithin,
  parseScenario,
  sizesWithin,
} from '../../loadtest/suite/options.ts';

const TABLE = {
  ...COMMON_OPTIONS,
  objects: [1000, 'objects', { min: 1, max: 5000 }],
  'only-gets': [false, 'a switch'],
  mode: ['', 'a text'],
} as const;

function parse(...argv: string[]) {
  return parseScenario('s3-get', 'Reads.', TABLE, argv);
}

test('options have their defaults, and names with dashes keep them', () => {
  const values = parse('--only-gets', '--mode', 'fast', '--allow-remote');
  assert.equal(values?.objects, 1000);
  assert.equal(values?.['only-gets'], true);
  assert.equal(values?.mode, 'fast');
  assert.equal(values?.['allow-remote'], true);
  assert.equal(values?.endpoint, '');
  assert.equal(values?.workers, 1);
});

test('a mistake is answered with the option, the value and what was expected', () => {
  const cases = [
    [['--objects', '0'], '--objects is "0"; expected a whole number from 1 to 5000.'],
    [['--objects', '1e9'], '--objects is "1e9"; expected a whole number from 1 to 5000.'],
    [['--objects', '1.5'], '--objects is "1.5"; expected a whole number from 1 to 5000.'],
    [['--objects', ''], '--objects is ""; expected a whole number from 1 to 5000.'],
    [['--object', '3'], "unknown option '--object' (Did you mean --objects?). See --help."],
    [['--objects'], "option '--objects <N>' argument missing. See --help."],
    [['s3-get'], '"s3-get" is not an option. See --help.'],
  ] as const;
  for (const [argv, message] of cases)
    assert.throws(() => parse(...argv), { name: 'BenchError', message }, argv.join(' '));
});

test('numbers are accepted exactly within their bounds', () => {
  fc.assert(
    fc.property(fc.integer({ min: -100, max: 100 }), fc.integer({ min: -50, max: 50 }), (value, min) => {
      const bounds = { min, max: min + 20 };
      if (value >= min && value <= bounds.max) assert.equal(numberWithin('n', String(value), bounds), value);
      else assert.throws(() => numberWithin('n', String(value), bounds), /--n is "/);
    }),
  );
});

test('lists are bounded in their values and in their count', () => {
  assert.deepEqual(numbersWithin('connections', '1,16, 64', { min: 1, max: 64 }), [1, 16, 64]);
  assert.throws(() => numbersWithin('connections', '1,65', { min: 1, max: 64 }), /--connections is "65"/);
  assert.throws(() => numbersWithin('connections', '1,,2', { min: 0, max: 64 }), /--connections is ""/);
  assert.throws(() => numbersWithin('connections', '1,2,3', { min: 1, max: 64 }, 2), /has 3 values; at most 2/);
});

test('sizes take units of 1,024, and nothing else', () => {
  const bounds = { min: 1, max: 2 ** 30 };
  assert.deepEqual(sizesWithin('sizes', '10,4k,1.5M,16KiB,1GB', bounds), [10, 4096, 1572864, 16384, 2 ** 30]);
  for (const text of ['', 'k', '1t', '-1', '1 2', '2g', '0x10'])
    assert.throws(() => sizesWithin('sizes', text, bounds), /--sizes is ".*"; expected a size from 1 to/, text);
});

test('a reader that goes away ends the help quietly', async () => {
  for (const name of ['s3-get', 'page']) {
    const entry = fileURLToPath(new URL(`../../loadtest/${name}.ts`, import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', entry, '--help']);
    child.stdout.destroy();
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (more: string) => (text += more));
    const [code] = (await once(child, 'close')) as [number | null];
    assert.deepEqual([code, text], [0, ''], name);
  }
});
