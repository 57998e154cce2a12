/**
 * The program with storage in memory: the same processes, signals and fronts, without a disk. Each worker has its own memory, so
 * tests that need one view of the objects run one worker, or the local store.
 */
import { fileURLToPath } from 'node:url';
import { run } from '../../src/run.ts';
import { createMemoryStorage } from '../../src/store/memory-store.ts';

const held = new Set<string>();

await run(process, fileURLToPath(import.meta.url), {
  lockFolder: async (root) => {
    held.add(root);
    return { release: async () => void held.delete(root) };
  },
  openKeeper: async () => ({ metrics: () => [], workerExited: () => {}, stop: async () => {} }),
  openStorage: async () => ({ storage: createMemoryStorage(), metrics: () => [], stop: async () => {} }),
});
