/**
 * `npm run check [-- --fix]`: every static check, one after the other. A failing one does not hide the next; the last lines
 * say which failed. `--fix` lets Biome rewrite what it can first.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { runChild } from './child.mjs';
import { root, SetupError, setup } from './setup.mjs';

const fix = process.argv.includes('--fix');
const code = ['src', 'test', 'bench', 'loadtest'].filter((folder) => existsSync(path.join(root, folder)));
const checks = [
  ['types', 'tsc', ['--noEmit', '-p', '.']],
  ['format and lint', 'biome', ['check', '--error-on-warnings', ...(fix ? ['--write'] : [])]],
  ['async rules', 'eslint', ['--max-warnings=0', ...code]],
  ['layers', 'depcruise', ['--config', '.dependency-cruiser.cjs', '--output-type', 'err', 'src']],
  ['unused code', 'knip', ['--no-progress']],
];

try {
  // A build that fails is the first check's to report, with the same errors.
  await setup();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`set-up: ${error.message}\n`);
  if (!existsSync(path.join(root, 'node_modules/.penstock-stamp'))) process.exit(1);
}
const failed = [];
for (const [title, tool, args] of checks) {
  process.stdout.write(`\n== ${title} (${tool})\n`);
  if ((await runChild(path.join(root, 'node_modules/.bin', tool), args)) !== 0) failed.push(title);
}
process.stdout.write(failed.length ? `\nchecks failed: ${failed.join(', ')}\n` : '\nall checks passed\n');
process.exitCode = failed.length ? 1 : 0;
