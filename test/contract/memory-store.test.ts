import { createMemoryStorage } from '../../src/store/memory-store.ts';
import { storageContract } from './storage-contract.ts';

storageContract('the memory store', async () => ({ storage: createMemoryStorage(), close: async () => {} }));
