/** The contract over stores in which everything is coded before it is read, also what gains nothing by it. */
import assert from 'node:assert/strict';
import { alwaysCoding, codedBeforeReads } from '../store/coded-storage.ts';
import { realCoder } from '../store/coding-scene.ts';
import { openEmbedded, temporaryFolder } from '../store/local-scene.ts';
import { storageContract } from './storage-contract.ts';

async function open(options: Parameters<typeof openEmbedded>[1]) {
  const folder = temporaryFolder();
  const { store, keeper, close } = await openEmbedded(folder.path, options);
  return {
    storage: codedBeforeReads(store, keeper),
    close: async () => {
      await close().finally(() => folder.remove());
      const { coded } = keeper.coding?.stats ?? { coded: 0 };
      assert.ok(coded > 100, `${coded} objects were coded`);
      assert.ok(store.stats().decoded.payloads > 50, `${store.stats().decoded.payloads} payloads were decoded`);
    },
  };
}

storageContract('the local store, coded throughout', async () => open({ coder: alwaysCoding(await realCoder()) }));

storageContract('the local store behind a cache, coded throughout', async () =>
  open({ coder: alwaysCoding(await realCoder()), cacheBytes: 64 * 1024 * 1024 }),
);

storageContract('the local store on a slow disk, coded throughout', async () =>
  open({ coder: alwaysCoding(await realCoder()), slowDisk: true }),
);
