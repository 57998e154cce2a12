/** What `head` tells of the place of an object: the same bytes that the accounts of its class count. Pure. */
import type { StorageFacts } from '../base/object-info.ts';
import { CLASS_NAMES } from '../format/content.ts';
import type { Entry } from '../format/index-entry.ts';
import { type Location, recordBytes } from '../format/manifest.ts';
import { placesOf } from './class-accounts.ts';

/** By the number of the codec in a record. */
const CODECS = ['raw', 'zstd', 'sections'] as const;

/** @param extents those of its manifest, where the entry does not say where the bytes lie */
export function storageFacts(entry: Entry, extents: readonly Location[]): StorageFacts {
  const codecs = new Set<number>();
  let storedBytes = 0;
  for (const place of placesOf(entry, () => extents)) {
    storedBytes += recordBytes(place);
    if (!entry.isManifest || place.offset !== entry.record.offset || place.volume !== entry.record.volume)
      codecs.add(place.codec);
  }
  return { contentClass: CLASS_NAMES[entry.class] ?? 'other', storedBytes, codec: codecName(codecs) };
}

function codecName(codecs: ReadonlySet<number>): StorageFacts['codec'] {
  if (codecs.size > 1) return 'mixed';
  const [only = 0] = codecs;
  return CODECS[only] ?? 'mixed';
}
