/** Lists unfinished uploads from the index, a page at a time. */
import type { ObjectKey, UploadId } from '../base/names.ts';
import type { UploadInfo, UploadStore, UploadsPage } from '../base/object-store.ts';
import { type AttributesOnDisk, attributesOf, contentTypeOf } from '../format/attributes.ts';
import { afterPrefix, INDEX_KEY_BYTES_MAX, indexKey, splitUploadKey, uploadKey } from '../format/index-key.ts';
import type { IndexDatabase } from './index-database.ts';

type Query = Parameters<UploadStore['listUploads']>[1];

/** The value of the uploads table: time of creation, f64, then the attributes. */
export function readUpload(key: ObjectKey, uploadId: UploadId, value: Buffer): UploadInfo {
  const bytes = value.subarray(8);
  const {
    upload: _,
    chosen,
    ...attributes
  } = attributesOf(bytes) as AttributesOnDisk & { chosen?: UploadInfo['checksum'] };
  return {
    key,
    uploadId,
    startedMs: value.readDoubleLE(0),
    contentType: contentTypeOf(bytes),
    attributes,
    checksum: chosen,
  };
}

export function listUploadsPage(index: IndexDatabase, bucketId: number, query: Query): UploadsPage {
  const page: { uploads: UploadInfo[]; commonPrefixes: string[] } = { uploads: [], commonPrefixes: [] };
  if (query.limit === 0) return { ...page, next: undefined };
  const prefix = indexKey(bucketId, Buffer.from(query.prefix));
  if (prefix.length > INDEX_KEY_BYTES_MAX) return { ...page, next: undefined }; // longer than any key
  const end = afterPrefix(prefix);
  let start: Buffer | undefined = firstUpload(bucketId, query);
  let last: UploadsPage['next'];
  while (start !== undefined && start.compare(end) < 0) {
    const from: Buffer = start;
    start = undefined;
    for (const { key: bytes, value } of index.range('uploads', from, end)) {
      if (page.uploads.length + page.commonPrefixes.length === query.limit) return { ...page, next: last };
      const { key: keyBytes, uploadId } = splitUploadKey(bytes);
      const key = keyBytes.toString();
      const common = commonPrefix(key, query);
      if (common !== undefined) {
        page.commonPrefixes.push(common);
        last = { key: common, uploadId: '' };
        start = afterPrefix(indexKey(bucketId, Buffer.from(common)));
        break;
      }
      const id = uploadId.toString('hex') as UploadId;
      page.uploads.push(readUpload(key as ObjectKey, id, value));
      last = { key, uploadId: id };
    }
  }
  return { ...page, next: undefined };
}

function commonPrefix(key: string, { prefix, delimiter }: Query): string | undefined {
  const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
  return cut < 0 ? undefined : key.slice(0, cut + delimiter.length);
}

/** Without an upload id the marker stands for all uploads of its key, or of its common prefix. */
function firstUpload(bucketId: number, query: Query): Buffer {
  const fromPrefix = indexKey(bucketId, Buffer.from(query.prefix));
  if (query.afterKey === '') return fromPrefix;
  const key = Buffer.from(query.afterKey);
  const isPrefix = query.afterKey.startsWith(query.prefix) && commonPrefix(query.afterKey, query) === query.afterKey;
  const behind = Buffer.concat([indexKey(bucketId, key), Buffer.from([1])]);
  const from =
    query.afterUploadId !== ''
      ? Buffer.concat([uploadKey(bucketId, key, Buffer.from(query.afterUploadId, 'hex')), Buffer.from([0])])
      : isPrefix
        ? afterPrefix(indexKey(bucketId, key))
        : behind;
  return (from.compare(fromPrefix) > 0 ? from : fromPrefix).subarray(0, INDEX_KEY_BYTES_MAX);
}
