/**
 * What the store holds and what that takes, for people and scripts: by class of content, with a total that leaves nothing out which stands for
 * bytes of clients. Made from the metrics of the keeper. Deleted bytes that compaction has not given back yet are not in it. Pure.
 */
import type { ContentClassName } from '../../format/content.ts';
import type { Metric, MetricValue } from '../../service/metrics.ts';

interface Amounts {
  /** As clients wrote them. */
  readonly bytes: number;
  /** In volumes, heads of records and manifests included. */
  readonly storedBytes: number;
}

interface Ratio {
  /** `bytes` by `storedBytes`; `null` where there is nothing. */
  readonly ratio: number | null;
}

export interface ClassStatus extends Amounts, Ratio {
  /** `unexamined`: nobody has looked at these yet, and they are stored as they came. */
  readonly class: ContentClassName;
  readonly objects: number;
}

/** What the keeper did since the start, in objects and extents of large ones. */
export interface CodingStatus {
  readonly coded: number;
  /** Looked at, and left as they came. */
  readonly raw: number;
  /** Codings that did not give the bytes back, and were dropped. */
  readonly mismatches: number;
  /** Damaged: they stay as they are, and unexamined. */
  readonly unreadable: number;
}

export interface StoredStatus {
  /** Those that have objects, by number of the class. */
  readonly classes: readonly ClassStatus[];
  /** Of uploads that are not completed. */
  readonly parts: Amounts & { readonly count: number };
  readonly dictionaries: { readonly count: number; readonly storedBytes: number };
  readonly indexBytes: number;
  /** Classes and parts, with dictionaries and index. */
  readonly total: Amounts & Ratio & { readonly objects: number };
  /** What the keeper has not looked at yet. */
  readonly backlog: { readonly objects: number; readonly bytes: number };
  readonly coding: CodingStatus;
}

type Look = (name: string) => readonly MetricValue[];

/** `undefined` where the storage knows of no classes, or its keeper has not told yet. */
export function storedOf(metrics: readonly Metric[]): StoredStatus | undefined {
  const look: Look = (name) => metrics.find((metric) => metric.name === `penstock_${name}`)?.values ?? [];
  if (look('class_objects').length === 0) return undefined;
  const classes = classesOf(look);
  const parts = {
    count: sumOf(look, 'upload_parts'),
    bytes: sumOf(look, 'upload_part_bytes'),
    storedBytes: sumOf(look, 'upload_part_stored_bytes'),
  };
  const dictionaries = { count: sumOf(look, 'dictionaries'), storedBytes: sumOf(look, 'dictionary_stored_bytes') };
  const indexBytes = sumOf(look, 'index_bytes');
  const bytes = classes.reduce((sum, each) => sum + each.bytes, parts.bytes);
  const inVolumes = classes.reduce((sum, each) => sum + each.storedBytes, parts.storedBytes);
  const objects = classes.reduce((sum, each) => sum + each.objects, 0);
  const unseen = classes.find((each) => each.class === 'unexamined');
  return {
    classes,
    parts,
    dictionaries,
    indexBytes,
    total: { objects, ...withRatio({ bytes, storedBytes: inVolumes + dictionaries.storedBytes + indexBytes }) },
    backlog: { objects: unseen?.objects ?? 0, bytes: unseen?.bytes ?? 0 },
    coding: codingOf(look),
  };
}

function classesOf(look: Look): ClassStatus[] {
  const of = (name: string, contentClass: unknown): number =>
    look(name).find(({ labels }) => labels.class === contentClass)?.value ?? 0;
  return look('class_objects')
    .filter(({ value }) => value > 0)
    .map(({ value: objects, labels }) => {
      const bytes = of('class_bytes', labels.class);
      const storedBytes = of('class_stored_bytes', labels.class);
      return { class: labels.class as ContentClassName, objects, ...withRatio({ bytes, storedBytes }) };
    });
}

function codingOf(look: Look): CodingStatus {
  const of = (outcome: string): number =>
    look('coding_objects_total').find(({ labels }) => labels.outcome === outcome)?.value ?? 0;
  return {
    coded: of('coded'),
    raw: of('raw'),
    mismatches: sumOf(look, 'codec_mismatches_total'),
    unreadable: sumOf(look, 'coding_unreadable_total'),
  };
}

function withRatio({ bytes, storedBytes }: Amounts): Amounts & Ratio {
  return { bytes, storedBytes, ratio: storedBytes > 0 ? bytes / storedBytes : null };
}

function sumOf(look: Look, name: string): number {
  return look(name).reduce((sum, { value }) => sum + value, 0);
}
