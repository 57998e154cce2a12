import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { type AdminFront, type AdminSources, createAdminFront } from '../../src/fronts/admin/server.ts';
import type { GatewayStatus } from '../../src/fronts/admin/status.ts';

let front: AdminFront | undefined;
afterEach(async () => front?.stop());

async function start(sources: Partial<AdminSources>): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
  front = createAdminFront(
    {
      unready: () => [],
      metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'a 1\n' }),
      status: async () => ({ version: '1.2.3' }) as GatewayStatus,
      ...sources,
    },
    undefined,
  );
  const { port } = await front.listen({ host: '127.0.0.1', port: 0 });
  return (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init);
}

describe('the admin front', () => {
  test('is healthy while it runs, even when nothing can be served', async () => {
    const get = await start({ unready: () => ['the keeper is not ready', 'no worker is ready'] });
    assert.equal((await get('/healthz')).status, 200);
    const ready = await get('/readyz');
    assert.equal(ready.status, 503);
    assert.equal(await ready.text(), 'not ready: the keeper is not ready, no worker is ready\n');
  });

  test('is ready when nothing is missing', async () => {
    const get = await start({});
    assert.deepEqual([(await get('/readyz')).status, await (await get('/readyz')).text()], [200, 'ready\n']);
  });

  test('answers metrics as text and the status as JSON', async () => {
    const get = await start({});
    const metrics = await get('/metrics');
    assert.equal(metrics.headers.get('content-type'), 'text/plain; version=0.0.4');
    assert.equal(await metrics.text(), 'a 1\n');
    assert.deepEqual(await (await get('/status')).json(), { version: '1.2.3' });
  });

  test('changes nothing: it takes no other method, and other paths say what there is', async () => {
    const get = await start({});
    assert.equal((await get('/metrics', { method: 'POST', body: 'x' })).status, 404);
    const other = await get('/other');
    assert.equal(other.status, 404);
    assert.match(await other.text(), /\/readyz/);
  });

  test('says 500 and lives on when the figures cannot be had', async () => {
    const get = await start({ metrics: () => Promise.reject(new Error('no figures')) });
    assert.equal((await get('/metrics')).status, 500);
    assert.equal((await get('/healthz')).status, 200);
  });
});
