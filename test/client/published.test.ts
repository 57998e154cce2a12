/** What others import: `penstock-gateway/client`, as plain Node and the TypeScript compiler find it in a project that depends on it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
let folder = '';

before(async () => {
  await run(process.execPath, [join(root, 'scripts/setup.mjs')]); // dist/ of the present source
  folder = mkdtempSync(join(tmpdir(), 'penstock-consumer-'));
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules/penstock-gateway'));
  symlinkSync(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('a plain script imports it, and its errors are told apart', async () => {
  const script = `
    import { GrpcCode, Missing, PenstockClient, PenstockError } from 'penstock-gateway/client';
    const client = new PenstockClient({ endpoint: '127.0.0.1:1', accessKeyId: 'key', secretKey: 'secret-of-key', bucket: 'b' });
    try {
      await client.stat('k', { deadlineMs: 50 });
    } catch (error) {
      console.log(error instanceof PenstockError, error.code === GrpcCode.UNAVAILABLE, typeof Missing);
    }
    client.close();
  `;
  writeFileSync(join(folder, 'script.js'), script);
  const { stdout } = await run(process.execPath, ['script.js'], { cwd: folder });
  assert.equal(stdout, 'true true function\n');
});

test('its types compile in a strict project, and hold what the documentation says', async () => {
  const program = `
    import { type BatchResult, Missing, PenstockClient, type PutItem } from 'penstock-gateway/client';
    const client = new PenstockClient({ endpoint: '127.0.0.1:9002', accessKeyId: 'a', secretKey: 's', tls: { ca: 'ca.pem' } });
    export async function use(keys: string[], items: AsyncIterable<PutItem>): Promise<number> {
      const found: (Buffer | Missing)[] = await client.getMany(keys, { bucket: 'train', deadlineMs: 1000 });
      for await (const result of client.getBatch(keys, { order: 'strict' })) {
        if (result.ok) result.body.byteLength + result.info.crc32;
        else result.error.reason?.length;
        const same: BatchResult = result;
        void same;
      }
      for await (const put of client.putBatch(items, { bucket: 'train' })) if (!put.ok && put.mayBeStored) return put.slot;
      for await (const item of client.list({ prefix: 'a/' })) if (item.kind === 'object') item.size.toFixed();
      for await (const chunk of await client.get('k', { range: { start: 0 } })) chunk.byteLength;
      return found.length;
    }
    // @ts-expect-error a secret is needed
    new PenstockClient({ endpoint: '127.0.0.1:9002', accessKeyId: 'a' });
  `;
  writeFileSync(join(folder, 'program.ts'), program);
  const strict = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const told = await run(process.execPath, [tsc, ...strict, 'program.ts'], { cwd: folder }).catch(
    (error: { stdout: string }) => error,
  );
  assert.equal(told.stdout, '');
});
