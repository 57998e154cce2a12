/** The accounts of the store by class of content, and what the coding pass did, as metrics of the keeper. */
import { CLASS_NAMES } from '../format/content.ts';
import type { Account } from '../store/class-accounts.ts';
import type { CodingStats } from '../store/coding-tools.ts';
import type { StoreStats } from '../store/store-stats.ts';
import { type Metric, metric } from './metrics.ts';

const NOTHING: Account = { objects: 0, bytesIn: 0, bytesStored: 0 };

export function classMetrics({ classes, parts, dictionaries }: StoreStats): Metric[] {
  const perClass = (of: (account: Account) => number) =>
    CLASS_NAMES.map((name, number) => ({ value: of(classes[number] ?? NOTHING), labels: { class: name } }));
  const objects = perClass((account) => account.objects);
  const bytesIn = perClass((account) => account.bytesIn);
  const stored = perClass((account) => account.bytesStored);
  return [
    metric('gauge', 'penstock_class_objects', 'Objects, by class of content.', objects),
    metric('gauge', 'penstock_class_bytes', 'Bytes of objects as clients wrote them, by class.', bytesIn),
    metric('gauge', 'penstock_class_stored_bytes', 'Bytes that these objects take in volumes, by class.', stored),
    metric('gauge', 'penstock_dictionaries', 'Dictionaries of headers.', dictionaries.objects),
    metric('gauge', 'penstock_dictionary_stored_bytes', 'Bytes that they take in volumes.', dictionaries.bytesStored),
    metric('gauge', 'penstock_upload_parts', 'Parts of uploads that are not completed.', parts.objects),
    metric('gauge', 'penstock_upload_part_bytes', 'Bytes of them as clients wrote them.', parts.bytesIn),
    metric('gauge', 'penstock_upload_part_stored_bytes', 'Bytes that they take in volumes.', parts.bytesStored),
  ];
}

/** @param stats `undefined` in a keeper that codes nothing */
export function codingMetrics(stats: CodingStats | undefined): Metric[] {
  if (stats === undefined) return [];
  const { objects, coded, bytesIn, bytesOut, mismatches, unreadable } = stats;
  return [
    metric('counter', 'penstock_coding_objects_total', 'Objects and extents that were looked at, by outcome.', [
      { value: coded, labels: { outcome: 'coded' } },
      { value: objects - coded, labels: { outcome: 'raw' } },
    ]),
    metric('counter', 'penstock_coding_read_bytes_total', 'Bytes of them.', bytesIn),
    metric('counter', 'penstock_coding_stored_bytes_total', 'Bytes that they take since.', bytesOut),
    metric('counter', 'penstock_codec_mismatches_total', 'Codings that did not give the bytes back.', mismatches),
    metric('counter', 'penstock_coding_unreadable_total', 'Payloads that could not be coded: damaged.', unreadable),
  ];
}
