/** Reads the source and holds it to the rules that no other tool checks. Each message says what to do about it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LIMITS } from '../../src/base/limits.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Not ours, or made by tools, or binary. */
const skipped = new Set([
  '.git',
  '.cache',
  'node_modules',
  'dist',
  'dist.new',
  'dist.old',
  'coverage',
  'data',
  'shared',
]);
const isBinary = (file: string) => /^samples\/[^/]+\//.test(file);

function filesUnder(folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = folder ? `${folder}/${entry.name}` : entry.name;
    if (skipped.has(entry.name)) return [];
    return entry.isDirectory() ? filesUnder(name) : entry.isFile() ? [name] : [];
  });
}

const texts = new Map(
  filesUnder('')
    .filter((file) => !isBinary(file))
    .map((file) => [file, readFileSync(path.join(root, file), 'utf8')]),
);
const sources = [...texts].filter(([file]) => file.startsWith('src/') && file.endsWith('.ts'));
const code = [...texts].filter(([file]) => /^(src|test|bench|loadtest)\/.*\.ts$/.test(file));

/** `file:line` of every match, comments left out. */
function matches(files: [string, string][], pattern: RegExp): string[] {
  return files.flatMap(([file, text]) =>
    text.split('\n').flatMap((line, index) => {
      const isComment = /^\s*(\/?\*|\/\/)/.test(line);
      return !isComment && pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [];
    }),
  );
}

/** Fails with every offender on a line of its own. */
function none(offenders: string[], advice: string): void {
  assert.ok(offenders.length === 0, `${advice}\n  ${offenders.join('\n  ')}`);
}

test('no source file is longer than 400 lines', () => {
  const long = sources
    .map(([file, text]) => ({ file, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > 400);
  none(
    long.map(({ file, lines }) => `${file}: ${lines} lines`),
    'Split the file by what its parts promise:',
  );
});

test('files and folders are kebab-case', () => {
  const odd = code
    .map(([file]) => file)
    .filter((file) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.test|\.d)?\.ts$/.test(file));
  none(odd, 'Name the file in lower case, words joined by "-", for the one thing that it exports:');
});

test('no file or folder is named for nothing in particular', () => {
  const vague = code
    .map(([file]) => file)
    .filter((file) => /(^|[/-])(utils?|helpers?|common|misc|managers?)([/.-])/.test(file));
  none(vague, 'Name the file for what it does:');
});

test('every source file opens with a comment that says what it promises', () => {
  const bare = sources.filter(([, text]) => !/^(#!.*\n)?\/[/*]/.test(text)).map(([file]) => file);
  none(bare, 'Begin the file with a comment:');
});

test('nothing is exported by default, a worker entry excepted', () => {
  const candidates = sources.filter(([file]) => !file.endsWith('-worker.ts'));
  none(matches(candidates, /^export default\b|\bas default\b/), 'Export it by name:');
});

test('no module keeps state in a top-level `let`', () => {
  none(matches(sources, /^(export )?(let|var) /), 'Keep the state in an object that somebody creates:');
});

test('the process is touched by the entry and the command line only', () => {
  // One that takes it as a parameter was given it.
  const isGiven = (text: string) => /\bprocess: [A-Z]/.test(text);
  const inner = sources.filter(([file, text]) => !/^src\/(main\.ts$|cli\/)/.test(file) && !isGiven(text));
  // Its number, and whether another one lives, are no settings: files that mark their owner need them.
  const offenders = matches(inner, /(?<![\w.#])process\.(?!pid\b|kill\(\w+, 0\))[a-z]/);
  none(offenders, 'Pass in what is needed of `process` (environment, signals, memory) from src/main.ts or src/cli/:');
});

test('every limit is used outside of the file that names it', () => {
  const users = sources
    .filter(([file, text]) => file !== 'src/base/limits.ts' && text.includes('LIMITS'))
    .map(([, text]) => text);
  const idle = Object.keys(LIMITS).filter((name) => !users.some((text) => new RegExp(`\\b${name}\\b`).test(text)));
  none(idle, 'src/base/limits.ts: enforce the limit, or remove it:');
});

test('the lock file and the npm settings name no registry', () => {
  const hosts = matches(
    [...texts].filter(([file]) => /(^|\/)(package-lock\.json|\.npmrc)$/.test(file)),
    /"resolved": "http|registry\s*=/,
  );
  none(hosts, 'npm config set omit-lockfile-registry-resolved true, then npm install:');
});

test('no file names a path of the machine that it was written on', () => {
  // Put together here, so that this file does not hold them either.
  const pattern = new RegExp(['work', 'root'].map((name) => `(^|[^\\w.])/${name}/`).join('|'));
  const offenders = [...texts].flatMap(([file, text]) =>
    text
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 120)}`] : [])),
  );
  none(offenders, 'Use a path relative to the project, or a temporary folder:');
});
