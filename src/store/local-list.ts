/**
 * Lists a page of objects from the index. A common prefix costs one seek, however many keys are below it, so the cost of a page
 * is the page.
 */
import type { ObjectKey } from '../base/names.ts';
import type { ListEntry, ListOptions, ListPage } from '../base/object-store.ts';
import { Entry, EntryInfo } from '../format/index-entry.ts';
import { afterPrefix, INDEX_KEY_BYTES_MAX, indexKey, keyOfIndexKey } from '../format/index-key.ts';
import type { IndexDatabase, Pair } from './index-database.ts';

/** Keys of older versions hold a NUL; the current ones never do. */
const VERSION_MARK = 0;

export function listPage(index: IndexDatabase, bucketId: number, options: ListOptions): ListPage {
  const entries: ListEntry[] = [];
  if (options.limit === 0) return { entries, next: undefined };
  const prefix = indexKey(bucketId, Buffer.from(options.prefix));
  if (prefix.length > INDEX_KEY_BYTES_MAX) return { entries, next: undefined }; // longer than any key
  const end = afterPrefix(prefix);
  let start = firstKey(bucketId, options);
  while (start.compare(end) < 0) {
    const seek = takeRun(index, bucketId, start, end, options, entries);
    if (seek === 'full') return { entries, next: nextOf(entries.at(-1) as ListEntry) };
    if (seek === undefined) break;
    start = seek;
  }
  return { entries, next: undefined };
}

/**
 * Takes keys from `start` on until a common prefix ends the run: the answer is then where to seek next. 'full' when one more
 * entry than the page holds was met, `undefined` at the end.
 */
function takeRun(
  index: IndexDatabase,
  bucketId: number,
  start: Buffer,
  end: Buffer,
  options: ListOptions,
  entries: ListEntry[],
): Buffer | 'full' | undefined {
  const { prefix, delimiter, limit } = options;
  for (const pair of index.range('objects', start, end)) {
    if (pair.key.indexOf(VERSION_MARK, 4) >= 0) continue;
    if (entries.length === limit) return 'full';
    const key = keyOfIndexKey(pair.key).toString();
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (cut < 0) {
      entries.push(objectEntry(key, pair));
      continue;
    }
    const common = key.slice(0, cut + delimiter.length);
    entries.push({ kind: 'prefix', prefix: common });
    return afterPrefix(indexKey(bucketId, Buffer.from(common)));
  }
  return undefined;
}

function objectEntry(key: string, pair: Pair): ListEntry {
  return { kind: 'object', key: key as ObjectKey, info: new EntryInfo(new Entry(pair.value)) };
}

function firstKey(bucketId: number, { prefix, after, afterPrefix: skip }: ListOptions): Buffer {
  const fromPrefix = indexKey(bucketId, Buffer.from(prefix));
  if (after === '') return fromPrefix;
  const marker = indexKey(bucketId, Buffer.from(after));
  // The first key behind `after` alone: no current key can be `after` followed by a NUL, which marks versions.
  const fromAfter = skip ? afterPrefix(marker) : Buffer.concat([marker, Buffer.from([VERSION_MARK])]);
  const from = fromAfter.compare(fromPrefix) > 0 ? fromAfter : fromPrefix;
  // Cut to what the index can look for, a marker still stands before the same keys.
  return from.subarray(0, INDEX_KEY_BYTES_MAX);
}

function nextOf(last: ListEntry): ListPage['next'] {
  return last.kind === 'object' ? { after: last.key, afterPrefix: false } : { after: last.prefix, afterPrefix: true };
}
