/**
 * `npm test [-- PATTERN ... | --FLAG ...]`: set up, then node's test runner over test/ (files named *.test.ts) through tsx. A pattern keeps the
 * files whose path holds it; flags go to the runner (`--test-name-pattern=...`); `--coverage` adds c8's report.
 */
import path from 'node:path';
import { runChild } from './child.mjs';
import { filesUnder, root, setupOrExit } from './setup.mjs';

/** Two at a time: black-box tests start whole gateways. */
const concurrency = 2;
/** A file that takes longer than this hangs. Ten minutes is several times what the slowest one takes on two busy cores. */
const fileTimeoutMs = 10 * 60 * 1000;

const args = process.argv.slice(2);
const flags = args.filter((arg) => arg.startsWith('-') && arg !== '--coverage');
const patterns = args.filter((arg) => !arg.startsWith('-'));

const all = filesUnder(path.join(root, 'test')).filter((file) => file.endsWith('.test.ts'));
const files = all
  .map((file) => `test/${file}`)
  .filter((file) => !patterns.length || patterns.some((part) => file.includes(part)));
if (files.length === 0) {
  process.stderr.write(`npm test: none of the ${all.length} test files has ${patterns.join(' or ')} in its path\n`);
  process.exit(2);
}

await setupOrExit();
const runner = [
  '--import',
  'tsx',
  '--enable-source-maps',
  '--test',
  `--test-concurrency=${concurrency}`,
  `--test-timeout=${fileTimeoutMs}`,
  '--test-reporter=spec',
];
const command = [process.execPath, ...runner, ...flags, ...files];
const coverage = [
  process.execPath,
  path.join(root, 'node_modules/c8/bin/c8.js'),
  '--src',
  'src',
  '--include',
  'src/**',
];
const [program, ...rest] = args.includes('--coverage') ? [...coverage, ...command] : command;
process.exitCode = await runChild(program, rest);
