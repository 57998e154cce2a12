/**
 * Makes a checkout ready to run, and does nothing when it already is: dependencies from the lock file, then dist/ from src/.
 * Both are guarded by a stamp that holds the hash of what went in. The hard part is doing this while something else does the
 * same (a test run beside a start): the work happens under a lock, and a build replaces dist/ whole by renaming.
 *
 * Plain Node, no dependencies, old syntax: it must be able to tell an old Node that it is too old.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** A failure whose message is all that the user needs to see. */
export class SetupError extends Error {}

/** Why this Node cannot run the project, or undefined when it can. `engines` is package.json's `engines.node`: `>=MAJOR.MINOR`. */
export function nodeProblem(version, engines) {
  const wanted = /^>=(\d+)\.(\d+)$/.exec(engines);
  if (!wanted) return `package.json: engines.node is ${engines}; expected the form >=MAJOR.MINOR`;
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
  const [wantedMajor, wantedMinor] = [Number(wanted[1]), Number(wanted[2])];
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return undefined;
  return `Penstock needs Node ${wantedMajor}.${wantedMinor} or newer; this is Node ${version.replace(/^v/, '')} (${process.execPath}). Install a current Node (https://nodejs.org) and run the command again.`;
}

/** SHA-256 over the names and contents of files and folders, in an order that does not depend on the disk. Missing ones count as empty. */
export function hashOf(base, names) {
  const hash = createHash('sha256');
  const visit = (name) => {
    const full = path.join(base, name);
    if (!existsSync(full)) return;
    hash.update(`${name}\0`);
    hash.update(readFileSync(full));
    hash.update('\0');
  };
  for (const name of names) {
    const full = path.join(base, name);
    if (name.endsWith('/')) for (const file of existsSync(full) ? filesUnder(full) : []) visit(name + file);
    else visit(name);
  }
  return hash.digest('hex');
}

/** Paths of all files under a folder, relative to it, sorted. */
export function filesUnder(folder) {
  const found = [];
  const walk = (prefix) => {
    for (const entry of readdirSync(path.join(folder, prefix), { withFileTypes: true })) {
      if (entry.isDirectory()) walk(`${prefix}${entry.name}/`);
      else found.push(prefix + entry.name);
    }
  };
  walk('');
  return found.sort();
}

const say = (line) => process.stderr.write(`set-up: ${line}\n`);
const stampIs = (file, value) => existsSync(file) && readFileSync(file, 'utf8') === value;

function run(command, args, base, failure) {
  // Everything goes to stderr, so that the output of the command that follows stays clean.
  const result = spawnSync(command, args, { cwd: base, stdio: ['ignore', 2, 2] });
  if (result.error) throw new SetupError(`${failure} (${result.error.message})`);
  if (result.status !== 0) throw new SetupError(`${failure} (${result.signal ?? `exit ${result.status}`})`);
}

/** Whether node_modules already holds what the lock file asks for, going by the list that npm leaves there: somebody ran npm by hand. */
function npmAgrees(base) {
  const listFile = path.join(base, 'node_modules/.package-lock.json');
  if (!existsSync(listFile)) return false;
  const wanted = JSON.parse(readFileSync(path.join(base, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(listFile, 'utf8')).packages;
  for (const [name, entry] of Object.entries(wanted)) {
    if (name === '' || (entry.optional && !installed[name])) continue;
    const there = installed[name];
    if (!there || there.version !== entry.version || there.integrity !== entry.integrity) return false;
  }
  return Object.keys(installed).every((name) => wanted[name]);
}

function installWork(base) {
  const stamp = path.join(base, 'node_modules/.penstock-stamp');
  const value = hashOf(base, ['package-lock.json']);
  if (stampIs(stamp, value)) return undefined;
  return () => {
    if (!npmAgrees(base)) {
      say(`installing dependencies (${existsSync(stamp) ? 'package-lock.json has changed' : 'first run'})`);
      const npm = process.env.npm_execpath;
      const args = ['ci', '--include=dev', '--no-fund', '--no-audit'];
      const failure =
        'npm ci failed; its message is above. Check the network and the npm registry settings, then run this again.';
      if (npm?.endsWith('npm-cli.js')) run(process.execPath, [npm, ...args], base, failure);
      else run('npm', args, base, failure);
    }
    writeFileSync(stamp, value);
  };
}

function buildWork(base) {
  const dist = path.join(base, 'dist');
  const value = hashOf(base, ['src/', 'tsconfig.json', 'tsconfig.build.json', 'package.json']);
  if (stampIs(path.join(dist, '.penstock-stamp'), value)) return undefined;
  return () => {
    if (!existsSync(path.join(base, 'src/main.ts'))) {
      throw new SetupError(
        'src/main.ts is missing, so there is nothing to build. The checkout is incomplete: `git status` lists what is missing.',
      );
    }
    say('building dist/ from src/');
    const fresh = path.join(base, 'dist.new');
    const old = path.join(base, 'dist.old');
    for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
    const tsc = path.join(base, 'node_modules/typescript/bin/tsc');
    run(
      process.execPath,
      [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh],
      base,
      'the build failed; the errors of tsc are above. dist/ is as it was.',
    );
    // The program that `npm link` puts on the PATH; tsc makes it anew without this.
    chmodSync(path.join(fresh, 'main.js'), 0o755);
    writeFileSync(path.join(fresh, '.penstock-stamp'), value);
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
    rmSync(old, { recursive: true, force: true });
  };
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs `work` while no other set-up of this checkout does. A lock whose owner has died is taken over. */
async function locked(base, work) {
  const lock = path.join(base, '.cache/setup.lock');
  mkdirSync(path.dirname(lock), { recursive: true });
  for (let told = false; ; ) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = Number(existsSync(lock) ? readFileSync(lock, 'utf8') : 0);
    // Our own number: containers hand out the same few process ids again.
    if (owner && (owner === process.pid || !isAlive(owner))) rmSync(lock, { force: true });
    else {
      // 0: the owner is just creating or removing it.
      if (owner && !told)
        say(`waiting for the set-up that process ${owner} is doing here; if it is none, delete ${lock}`);
      told ||= owner > 0;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  try {
    work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Installs and builds what is missing or out of date under `base`. Throws SetupError with a message for the user. */
export async function setup(base = root) {
  const manifest = JSON.parse(readFileSync(path.join(base, 'package.json'), 'utf8'));
  const problem = nodeProblem(process.version, manifest.engines.node);
  if (problem) throw new SetupError(problem);
  if (!installWork(base) && !buildWork(base)) return;
  await locked(base, () => {
    installWork(base)?.();
    buildWork(base)?.();
  });
}

/** For the scripts of package.json: set up, or print the reason and end the process with 1. */
export async function setupOrExit() {
  try {
    await setup();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exit(1);
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await setupOrExit();
