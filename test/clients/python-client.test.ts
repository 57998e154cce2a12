/** The Python client's own tests, with Debian's grpcio, protobuf, torch and fsspec, against the gateway that was built. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { absent } from './scene.ts';

const FOLDER = fileURLToPath(new URL('../../clients/python/', import.meta.url));
/** PENSTOCK_TEST_PYTHON names another Python, to try other packages by hand. */
const OTHER_PYTHON = process.env.PENSTOCK_TEST_PYTHON;
const PACKAGES = ['grpc', 'google/protobuf', 'pytest', 'numpy', 'torch', 'fsspec'];
const absence =
  OTHER_PYTHON === undefined &&
  (PACKAGES.map((name) => absent(`/usr/lib/python3/dist-packages/${name}`)).find((why) => why !== false) ?? false);

test('the tests of the Python client pass', { timeout: 480_000, skip: absence }, async () => {
  const args = ['-m', 'pytest', '-q', '--color=no', '-o', 'faulthandler_timeout=120'];
  const child = spawn(OTHER_PYTHON ?? '/usr/bin/python3', args, {
    cwd: FOLDER,
    env: {
      PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`,
      LC_ALL: 'C.UTF-8',
      PYTHONDONTWRITEBYTECODE: '1',
      ...(process.env.PENSTOCK_CI && { PENSTOCK_CI: process.env.PENSTOCK_CI }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  assert.equal(code, 0, `${output}\n${errors}`);
  assert.match(output, /\d+ passed/);
});
