/** Debian's Python client, whose HTTP/2 is another implementation than Node's. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { GatewayError } from '../../src/base/errors.ts';
import { ECHOES, method, withScene } from './transport-scene.ts';

const DRIVER = fileURLToPath(new URL('./grpcio-driver.py', import.meta.url));
const GRPCIO = '/usr/lib/python3/dist-packages/grpc';
const skip = existsSync(GRPCIO) || process.env.PENSTOCK_CI === '1' ? false : `${GRPCIO} is not installed`;

const METHODS = [
  ...ECHOES,
  method('/test.Test/Sleep', 'server-stream', async (call) => {
    await once(call.signal, 'abort');
  }),
  method('/test.Test/Headers', 'server-stream', async (call) => {
    assert.equal(call.headers['x-asked'], 'something');
    assert.equal(call.headers['x-asked-bin'], 'AP8');
    call.sendHeaders({ 'x-answered': 'yes', 'x-answered-bin': 'AP8=' });
    await call.write(Buffer.from('after'));
  }),
  method('/test.Test/Refuse', 'server-stream', async (call) => {
    await call.write(Buffer.from('before'));
    throw new GatewayError('NoSuchKey', 'Kein Schlüssel „x“.', { details: { Key: 'x' } });
  }),
  method('/test.Test/Abort', 'server-stream', async (call) => {
    await call.write(Buffer.from('half'));
    call.abort();
  }),
  method('/test.Test/Bug', 'unary', async () => {
    throw new Error('secret');
  }),
];

test('grpcio is served in every kind of call, and hears how each ends', { skip }, async () => {
  await withScene({ methods: METHODS }, async (scene) => {
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', HOME: '/nonexistent' };
    const { stdout } = await promisify(execFile)('/usr/bin/python3', [DRIVER, `127.0.0.1:${scene.port}`], { env });
    const results = JSON.parse(stdout);
    // The client's own deadline or ours, whichever comes first.
    delete results.deadline.details;
    assert.deepEqual(results, {
      unary: { ok: 'hello' },
      empty: { ok: '' },
      many: { ok: ['a', 'a', 'a'] },
      collect: { ok: 'abc' },
      echo: { ok: ['x', 'y'] },
      large: { ok: true },
      'too large': { code: 8, details: 'A message has 4194305 bytes; at most 4194304 are taken here.', trailers: 1 },
      gzip: { ok: 4_194_304 },
      deflate: { code: 12, details: 'grpc-encoding is "deflate"; identity and gzip are understood.', trailers: 0 },
      deadline: { code: 4, trailers: 0 },
      cancel: { ok: ['a', 1] },
      metadata: { ok: ['yes', '00ff', ['after']] },
      unknown: { code: 12, details: 'Penstock has no method /test.Test/None', trailers: 0 },
      refused: { code: 5, details: 'Kein Schlüssel „x“.', trailers: 1 },
      aborted: { code: 13, details: 'Received RST_STREAM with error code 2', trailers: 0 },
      bug: { code: 13, details: 'An internal error occurred; try again.', trailers: 1 },
      'many calls': { ok: 500 },
    });
  })();
});
