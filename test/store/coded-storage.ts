/** Stores whose objects are coded whenever somebody reads them, so that what holds of any storage can be seen to hold of coded ones. */
import type { BatchRead } from '../../src/base/batch-read.ts';
import type { PutSource, Storage } from '../../src/base/object-store.ts';
import { type Coder, type Encoded, PAYLOAD_CODEC } from '../../src/codec/object-coding.ts';
import { CODEC } from '../../src/codec/plane-codec.ts';
import { encodeCodedPayload } from '../../src/format/coded-payload.ts';
import { CONTENT_CLASS } from '../../src/format/content.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import type { Keeper } from '../../src/store/keeper.ts';

/** Codes whatever it is given, though it gains nothing: sections of `sectionBytes`, each as it is. */
export function alwaysCoding(coder: Coder, sectionBytes = 16 * 1024): Coder {
  return {
    examine: async (items) => (await coder.examine(items)).map((content) => ({ ...content, isCompressed: false })),
    encode: async (items) => items.map(({ bytes }) => inSections(bytes, sectionBytes)),
    decode: (items) => coder.decode(items),
    close: () => coder.close(),
  };
}

function inSections(bytes: Buffer, sectionBytes: number): Encoded {
  const sections = [];
  for (let at = 0; at < bytes.length; at += sectionBytes) {
    const coded = bytes.subarray(at, at + sectionBytes);
    sections.push({ codec: CODEC.raw, shape: undefined, coded, length: coded.length, crc: crc32Of(coded, 0) >>> 0 });
  }
  const stored = encodeCodedPayload(0, sections);
  return { class: CONTENT_CLASS.other, codec: PAYLOAD_CODEC.sections, stored, dictionaryId: 0, mismatches: 0 };
}

/** Codes all that there is. */
export async function codeAll(keeper: Keeper): Promise<void> {
  for (let more = true; more; ) more = (await keeper.coding?.run()) ?? false;
}

/** The storage, with everything coded before each of its reads. */
export function codedBeforeReads({ objects, uploads, buckets }: Storage, keeper: Keeper): Storage {
  const code = () => codeAll(keeper);
  const codeSource = (source: PutSource) => (source.kind === 'copy' ? code() : undefined);
  return {
    buckets,
    objects: {
      head: async (...of) => code().then(() => objects.head(...of)),
      get: async (...of) => code().then(() => objects.get(...of)),
      getNow: (...of) => objects.getNow?.(...of),
      getBatch: (...of) => codedBatch(objects.getBatch(...of), code),
      put: async (bucket, key, source, ...of) => {
        await codeSource(source);
        return objects.put(bucket, key, source, ...of);
      },
      remove: (...of) => objects.remove(...of),
      list: async (...of) => code().then(() => objects.list(...of)),
    },
    uploads: {
      create: (...of) => uploads.create(...of),
      putPart: async (bucket, key, id, number, source, ...of) => {
        await codeSource(source);
        return uploads.putPart(bucket, key, id, number, source, ...of);
      },
      complete: (...of) => uploads.complete(...of),
      abort: (...of) => uploads.abort(...of),
      listParts: (...of) => uploads.listParts(...of),
      listUploads: (...of) => uploads.listUploads(...of),
    },
  };
}

function codedBatch(batch: BatchRead, code: () => Promise<void>): BatchRead {
  let coding: Promise<void> | undefined;
  return {
    fill: async (...of) => {
      coding ??= code();
      await coding;
      return batch.fill(...of);
    },
    unserved: () => batch.unserved(),
    get cacheHits() {
      return batch.cacheHits;
    },
    close: () => batch.close(),
  };
}
