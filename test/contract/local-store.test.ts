import { openEmbedded, openOverSocket, temporaryFolder } from '../store/local-scene.ts';
import { storageContract } from './storage-contract.ts';

storageContract('the local store', async () => {
  const folder = temporaryFolder();
  const { store, close } = await openEmbedded(folder.path);
  return { storage: store, close: () => close().finally(() => folder.remove()) };
});

storageContract('the local store behind a cache', async () => {
  const folder = temporaryFolder();
  const { store, close } = await openEmbedded(folder.path, { cacheBytes: 64 * 1024 * 1024 });
  return { storage: store, close: () => close().finally(() => folder.remove()) };
});

storageContract('the local store with its keeper behind a socket', async () => {
  const folder = temporaryFolder();
  const { store, close } = await openOverSocket(folder.path);
  return { storage: store, close: () => close().finally(() => folder.remove()) };
});

storageContract('the local store on a slow disk', async () => {
  const folder = temporaryFolder();
  const { store, close } = await openEmbedded(folder.path, { slowDisk: true });
  return { storage: store, close: () => close().finally(() => folder.remove()) };
});
