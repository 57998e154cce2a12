/**
 * A storage whose infos are plain objects, so that tests can compare them whole: an implementation may answer with objects that
 * decode their fields when asked.
 */
import type { BatchOptions, BatchRead } from '../../src/base/batch-read.ts';
import type { ObjectInfo } from '../../src/base/object-info.ts';
import type { ListPage, ObjectStore, PutSource, Storage } from '../../src/base/object-store.ts';

function plain<T extends ObjectInfo | undefined>(info: T): T {
  if (info === undefined) return info;
  const { size, etag, contentType, attributes, modifiedMs, crc32, partCount, parts } = info;
  const { upload: _, ...said } = attributes as typeof attributes & { upload?: string };
  const fields = { etag, contentType, attributes: said, size, modifiedMs, crc32, partCount };
  return (parts === undefined ? fields : { ...fields, parts }) as T;
}

function plainSource(source: PutSource): PutSource {
  return source.kind === 'copy' ? { ...source, seal: (info) => source.seal(plain(info)) } : source;
}

function plainPage(page: ListPage): ListPage {
  return {
    ...page,
    entries: page.entries.map((entry) => (entry.kind === 'object' ? { ...entry, info: plain(entry.info) } : entry)),
  };
}

function plainOptions(options: BatchOptions): BatchOptions {
  const { admit } = options;
  return admit === undefined ? options : { ...options, admit: (slot, info) => admit(slot, plain(info)) };
}

function plainBatch(batch: BatchRead): BatchRead {
  return {
    fill: async (into, entriesMax, signal) =>
      (await batch.fill(into, entriesMax, signal)).map((entry) =>
        entry.info === undefined ? entry : { ...entry, info: plain(entry.info) },
      ),
    unserved: () => batch.unserved(),
    get cacheHits() {
      return batch.cacheHits;
    },
    close: () => batch.close(),
  };
}

export function plainStorage({ objects, uploads, buckets }: Storage): Storage {
  const getNow: ObjectStore['getNow'] = (bucket, key) => {
    const read = objects.getNow?.(bucket, key);
    return read && { ...read, info: plain(read.info) };
  };
  return {
    buckets,
    objects: {
      head: async (bucket, key, options) => plain(await objects.head(bucket, key, options)),
      get: async (bucket, key, options, signal) => {
        const read = await objects.get(bucket, key, options, signal);
        return read === undefined ? undefined : { ...read, info: plain(read.info) };
      },
      ...(objects.getNow !== undefined && { getNow }),
      getBatch: (refs, options) => plainBatch(objects.getBatch(refs, plainOptions(options))),
      put: async (bucket, key, source, conditions, signal) =>
        plain(await objects.put(bucket, key, plainSource(source), conditions, signal)),
      remove: (bucket, key, conditions) => objects.remove(bucket, key, conditions),
      list: async (bucket, options) => plainPage(await objects.list(bucket, options)),
    },
    uploads: {
      create: (...of) => uploads.create(...of),
      putPart: (bucket, key, id, number, source, signal) =>
        uploads.putPart(bucket, key, id, number, plainSource(source), signal),
      complete: async (...of) => plain(await uploads.complete(...of)),
      abort: (...of) => uploads.abort(...of),
      listParts: (...of) => uploads.listParts(...of),
      listUploads: (...of) => uploads.listUploads(...of),
    },
  };
}
