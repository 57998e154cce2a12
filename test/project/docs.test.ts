/** The docs say what the code does: tables are compared with what the code exports, commands with the command line, links with files. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { ERROR_TABLE } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import { createProgram } from '../../src/cli/program.ts';
import { RECORD_KIND } from '../../src/format/record.ts';
import { OPERATIONS } from '../../src/fronts/s3/operations.ts';
import { GRPC_NAMES, RequestMetrics, S3_NAMES } from '../../src/service/metrics.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const inFolder = (folder: string) =>
  readdirSync(path.join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join(folder, name));
const docs = [...inFolder('.'), ...inFolder('docs'), ...inFolder('docs/adr')];

/** What lies between `<!-- NAME -->` and `<!-- /NAME -->`. */
function marked(file: string, name: string): string {
  const found = new RegExp(`<!-- ${name} -->\n([\\s\\S]*?)\n<!-- /${name} -->`).exec(read(file));
  assert.ok(found, `${file}: the marks of "${name}" are missing`);
  return found[1] ?? '';
}

/** Cells of the body of a table. */
function rowsOf(table: string): string[][] {
  return table
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

const plain = (cell: string | undefined) => (cell ?? '').replaceAll('`', '');

function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function anchorsOf(file: string): string[] {
  return [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => slug(heading));
}

test('every link inside the project leads to a file, and to a heading where it names one', () => {
  for (const file of docs) {
    for (const [, target = ''] of read(file).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [name = '', anchor] = target.split('#');
      const full = name === '' ? file : path.join(path.dirname(file), name);
      assert.ok(existsSync(path.join(root, full)), `${file}: the link to ${target} leads nowhere`);
      if (anchor !== undefined)
        assert.ok(anchorsOf(full).includes(anchor), `${file}: ${full} has no heading for #${anchor}`);
    }
  }
});

test('docs/s3.md has the table of operations as the code has it', () => {
  const word = { full: 'yes', partial: 'partly', none: 'no' };
  const expected = OPERATIONS.map((o) => [o.name, o.method, o.level, o.select, word[o.support], o.note]);
  const found = rowsOf(marked('docs/s3.md', 'operations')).map((row) => row.map(plain));
  assert.deepEqual(found, expected);
});

test('docs/s3.md lists the x-amz- headers that the front knows', () => {
  const source = read('src/fronts/s3/refused.ts');
  const known = /KNOWN_HEADERS[^[]*\[([^\]]*)\]/.exec(source)?.[1] ?? '';
  const expected = [...known.matchAll(/'(x-amz-[a-z0-9-]+)'/g)].map(([, name]) => name);
  assert.ok(expected.length > 20, 'src/fronts/s3/refused.ts: KNOWN_HEADERS was not found');
  const found = [...marked('docs/s3.md', 'headers').matchAll(/`(x-amz-[a-z0-9*-]+)`/g)].map(([, name]) => name);
  assert.deepEqual(found, [...expected, 'x-amz-meta-*']);
});

/** The ways in which people write a limit. */
function formsOf(name: string, value: number): string[] {
  const number = (n: number) => n.toLocaleString('en-US');
  const units = name.endsWith('Ms')
    ? [['s', 1000] as const, ['minutes', 60_000] as const, ['days', 86_400_000] as const]
    : [['KiB', 1024] as const, ['MiB', 1024 ** 2] as const, ['GiB', 1024 ** 3] as const, ['TiB', 1024 ** 4] as const];
  return [
    number(value),
    ...units.filter(([, size]) => value % size === 0).map(([u, size]) => `${number(value / size)} ${u}`),
  ];
}

test('docs/s3.md tells the limits as src/base/limits.ts has them', () => {
  for (const [what, text = '', cell] of rowsOf(marked('docs/s3.md', 'limits'))) {
    const name = plain(cell);
    const value = (LIMITS as Readonly<Record<string, number>>)[name];
    assert.ok(value !== undefined, `docs/s3.md: there is no limit ${name}`);
    const forms = formsOf(name, value);
    const written = forms.some((form) => new RegExp(`(?<![\\d,])${form}(?![\\d,])`).test(text));
    assert.ok(written, `docs/s3.md: the limit "${what}" is "${text}"; ${name} is ${forms.join(' or ')}`);
  }
});

test('docs/operations.md explains every error code, with its status and whether to retry', () => {
  const expected = Object.entries(ERROR_TABLE).map(([code, facts]) => [
    code,
    String(facts.httpStatus),
    facts.retry ? 'yes' : 'no',
  ]);
  const rows = rowsOf(marked('docs/operations.md', 'errors'));
  assert.deepEqual(rows.map((row) => row.slice(0, 3)).sort(), expected.sort());
  for (const [code, , , advice = ''] of rows)
    assert.ok(advice.length > 10, `docs/operations.md: ${code} is not explained`);
});

function sourcesUnder(folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), 'utf8'));
}

test('docs/operations.md explains every metric that the code makes, and no other', () => {
  const made = sourcesUnder('src').flatMap((source) => [
    ...source.matchAll(/\bmetric\(\s*'(counter|gauge)',\s*'(penstock_\w+)'/g),
    ...source.matchAll(/type: '(histogram)',\s*name: '(penstock_\w+)'/g),
  ]);
  const fronts = [S3_NAMES, GRPC_NAMES].flatMap((names) => new RequestMetrics(names).collect());
  const expected = [
    ...made.map(([, type = '', name = '']) => [name, type]),
    ...fronts.map(({ name, type }) => [name, type]),
  ];
  assert.ok(expected.length > 30, 'the metrics were not found in src/');
  const rows = rowsOf(marked('docs/operations.md', 'metrics'));
  const found = rows.map(([name, type = '']) => [plain(name), type]);
  assert.deepEqual(found.sort(), expected.sort());
  for (const [name, , , advice = ''] of rows)
    assert.ok(advice.length > 5, `docs/operations.md: ${name} is not explained`);
});

const program = createProgram('0.0.0', async () => {});

/** Commands as they are typed: in blocks, in inline code, after a prompt. Comments are cut off. */
function commandsIn(text: string): string[] {
  const blocks = [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) =>
    [...block.matchAll(/^(?:[A-Z_]+=\S+ |\$ )*penstock +([^#\n]*)/gm)].map(([, words = '']) => words),
  );
  const inline = [...text.matchAll(/`penstock +([^`]+)`/g)].map(([, words = '']) => words);
  return [...blocks, ...inline].map((words) => words.trim());
}

/** Walks down the verbs. @returns what is wrong with a command, or `undefined` */
function faultOf(words: readonly string[]): string | undefined {
  let command: Command = program;
  const flags = new Set<string>();
  for (const word of words) {
    if (word.startsWith('-')) {
      flags.add(word.split('=')[0] ?? word);
      continue;
    }
    const next = command.commands.find((c) => c.name() === word);
    if (next !== undefined) command = next;
    else if (command.commands.length > 0) return `there is no "${word}" in ${command.name()}`;
  }
  for (const flag of flags) {
    const isKnown =
      flag === '-' || flag === '--help' || command.options.some((o) => o.long === flag || o.short === flag);
    if (!isKnown) return `${command.name()} has no ${flag}`;
  }
  return undefined;
}

test('every penstock command in the docs exists, with its flags', () => {
  let count = 0;
  for (const file of docs) {
    for (const command of commandsIn(read(file))) {
      count += 1;
      assert.equal(faultOf(command.split(/\s+/)), undefined, `${file}: penstock ${command}`);
    }
  }
  assert.ok(count > 20, `only ${count} commands were found in the docs`);
  assert.match(faultOf(['frobnicate']) ?? '', /no "frobnicate"/);
  assert.match(faultOf(['ls', '--frobnicate']) ?? '', /no --frobnicate/);
});

test('the README has a row for every verb', () => {
  const verbs = [...read('README.md').matchAll(/^\| `penstock (\w+)` \|/gm)].map(([, verb]) => verb);
  assert.deepEqual(
    verbs.sort(),
    program.commands
      .map((command) => command.name())
      .filter((name) => name !== 'help')
      .sort(),
  );
});

test('npm commands and benchmarks in the docs exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const file of docs) {
    for (const [, name = ''] of read(file).matchAll(/\bnpm run ([a-z]+)/g))
      assert.ok(name in scripts, `${file}: package.json has no script ${name}`);
    for (const [, folder = '', name = ''] of read(file).matchAll(/\bnpm run (bench|loadtest) -- ([a-z0-9-]+)/g))
      assert.ok(existsSync(path.join(root, folder, `${name}.ts`)), `${file}: there is no ${folder}/${name}.ts`);
  }
});

test('docs/operations.md has every flag of serve and every variable of the settings', () => {
  const text = read('docs/operations.md');
  const serve = program.commands.find((command) => command.name() === 'serve');
  for (const { long } of serve?.options ?? [])
    assert.ok(text.includes(`\`${long}\``), `docs/operations.md: the flag ${long} of serve is missing`);
  for (const [variable] of read('src/config.ts').matchAll(/PENSTOCK_[A-Z0-9_]+/g)) {
    if (variable.endsWith('_')) continue; // PENSTOCK_* in a comment
    assert.ok(text.includes(`\`${variable}\``), `docs/operations.md: the variable ${variable} is missing`);
  }
});

test('docs/formats.md has the kinds of records with their numbers', () => {
  const found = [...read('docs/formats.md').matchAll(/^\| (\d+) \| (\w+) \|.*\|.*\|$/gm)].map(([, number, name]) => [
    name,
    Number(number),
  ]);
  for (const kind of Object.entries(RECORD_KIND))
    assert.ok(
      found.some(([name, number]) => name === kind[0] && number === kind[1]),
      `docs/formats.md: record kind ${kind.join(' ')} is missing`,
    );
});

test('every decision is listed and has its four parts', () => {
  const list = read('docs/adr/README.md');
  for (const file of inFolder('docs/adr').filter((name) => !name.endsWith('README.md'))) {
    assert.ok(list.includes(`(${path.basename(file)})`), `docs/adr/README.md does not list ${file}`);
    const parts = [...read(file).matchAll(/^## (.+)$/gm)].map(([, part]) => part);
    assert.deepEqual(parts, ['Context', 'Decision', 'Rejected', 'How we would know that we were wrong'], file);
  }
});
