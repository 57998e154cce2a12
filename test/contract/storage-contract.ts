/**
 * One suite for everything that implements `Storage`: what src/base/object-store.ts promises, each promise as a test. A file that
 * wants its implementation held to it calls `storageContract` with a way to open an empty one.
 */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { parseBucketName } from '../../src/base/names.ts';
import type { Storage } from '../../src/base/object-store.ts';
import { batchContract } from './batch-contract.ts';
import { bucketContract } from './bucket-contract.ts';
import { copyContract } from './copy-contract.ts';
import { listContract } from './list-contract.ts';
import { modelContract } from './model-contract.ts';
import { plainStorage } from './plain-storage.ts';
import { readContract } from './read-contract.ts';
import { OWNER, type Scene } from './scene.ts';
import { uploadContract } from './upload-contract.ts';
import { uploadEndContract } from './upload-end-contract.ts';
import { uploadListContract } from './upload-list-contract.ts';
import { writeContract } from './write-contract.ts';

export interface OpenStorage {
  readonly storage: Storage;
  close(): Promise<void>;
}

/** `open` is called once; the suite uses buckets of its own for every test. */
export function storageContract(name: string, open: () => Promise<OpenStorage>): void {
  describe(`${name} keeps the storage contract`, () => {
    let opened: OpenStorage | undefined;
    let buckets = 0;
    const scene: Scene = {
      get storage() {
        assert(opened !== undefined, 'the storage is open while tests run');
        return opened.storage;
      },
      async freshBucket() {
        buckets += 1;
        const bucket = parseBucketName(`contract-${buckets}`);
        await scene.storage.buckets.create(bucket, OWNER, { acl: 'private' });
        return bucket;
      },
    };
    before(async () => {
      const { storage, close } = await open();
      opened = { storage: plainStorage(storage), close };
    });
    after(async () => {
      await opened?.close();
    });
    describe('reads', () => readContract(scene));
    describe('batches', () => batchContract(scene));
    describe('writes', () => writeContract(scene));
    describe('copies', () => copyContract(scene));
    describe('lists', () => listContract(scene));
    describe('uploads', () => uploadContract(scene));
    describe('ends of uploads', () => uploadEndContract(scene));
    describe('lists of uploads', () => uploadListContract(scene));
    describe('buckets', () => bucketContract(scene));
    describe('random histories', () => modelContract(scene));
  });
}
