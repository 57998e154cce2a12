/**
 * One step of the coding pass: objects whose bytes lie in one record each are read, looked at, coded, copied to the output volume, and the
 * index is pointed at the copies. What does not shrink stays where it is; the index is told its class alone.
 *
 * Between the read and the transaction anything may happen to an object; the index is pointed at the copy only where it still points at what
 * was copied, and a copy that came too late is dead bytes.
 */

import { GatewayError } from '../base/errors.ts';
import type { Encoded } from '../codec/object-coding.ts';
import { CONTENT_CLASS, type Content } from '../format/content.ts';
import type { Location } from '../format/manifest.ts';
import { RECORD_KIND, type RecordHead, recordHead } from '../format/record.ts';
import type { SeriesDictionary } from './coding-dictionaries.ts';
import type { CodingTools } from './coding-tools.ts';
import { VolumeGone } from './record-reader.ts';
import {
  classify,
  type MovedOwner,
  placeId,
  type RelocationTools,
  repointExtents,
  repointRecord,
} from './relocator.ts';

/** Headers lie in here; what is looked at for a dictionary. */
const LOOK_BYTES = 256 * 1024;

/** An object in one piece that nobody has looked at. */
export interface Candidate {
  readonly owner: MovedOwner;
  /** The entry's record: the bytes, or a manifest that names them. */
  readonly record: Location;
  /** Where the bytes lie; `undefined` for an empty object. */
  readonly payload: Location | undefined;
  /** Of the record, its buffers kept. */
  readonly head: RecordHead;
}

interface Read {
  readonly candidate: Candidate;
  readonly payload: Location;
  readonly bytes: Buffer;
}

/** What the transaction is to do for one candidate. */
type Outcome = (tools: RelocationTools) => void;

/** @returns what is left to do in a transaction, after the output was flushed */
export async function codeObjects(tools: CodingTools, candidates: readonly Candidate[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const candidate of candidates)
    if (candidate.payload === undefined) outcomes.push(asRaw(candidate, CONTENT_CLASS.other));
  const reads = await readAll(tools, candidates);
  if (reads.length === 0) return outcomes;
  const contents = await tools.cancellable(
    tools.coder.examine(reads.map(({ bytes }) => bytes.subarray(0, LOOK_BYTES))),
  );
  const dictionaries = await tools.cancellable(
    tools.series.of(
      reads.map(({ bytes }) => bytes),
      contents,
    ),
  );
  const coded = await tools.cancellable(encode(tools, reads, contents, dictionaries));
  for (const [i, read] of reads.entries()) outcomes.push(place(tools, read, coded[i] as Encoded, dictionaries[i]));
  return outcomes;
}

async function readAll(tools: CodingTools, candidates: readonly Candidate[]): Promise<Read[]> {
  const reads = candidates.map(async (candidate) => {
    const { payload } = candidate;
    if (payload === undefined) return undefined;
    // A manifest that cannot be read cannot be written anew.
    if (isNamed(candidate, payload) && extentsIfIntact(tools, candidate.record) === undefined) return undefined;
    const bytes = await readIntact(tools, payload);
    return bytes === undefined ? undefined : { candidate, payload, bytes };
  });
  return (await Promise.all(reads)).filter((read) => read !== undefined);
}

/** What is damaged stays as it is, for the doctor to find. */
export async function readIntact(tools: CodingTools, location: Location): Promise<Buffer | undefined> {
  try {
    return await tools.keeper.readStored(location);
  } catch (error) {
    if (!isDamage(error)) throw error;
    tools.stats.unreadable++;
    return undefined;
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof VolumeGone || (error instanceof GatewayError && error.code === 'DataLoss');
}

/** The extents of a manifest, or `undefined` when it cannot be read. */
export function extentsIfIntact({ keeper, stats }: CodingTools, record: Location): readonly Location[] | undefined {
  try {
    return keeper.readManifest(record).extents;
  } catch (error) {
    if (!isDamage(error)) throw error;
    stats.unreadable++;
    return undefined;
  }
}

function encode(
  { coder, profile }: CodingTools,
  reads: readonly Read[],
  contents: readonly Content[],
  dictionaries: readonly (SeriesDictionary | undefined)[],
): Promise<readonly Encoded[]> {
  return coder.encode(
    reads.map(({ bytes }, i) => {
      const dictionary = (contents[i] as Content).headerLength > 0 ? dictionaries[i]?.dictionary : undefined;
      return { bytes, options: { profile, dictionary } };
    }),
  );
}

function place(
  tools: CodingTools,
  { candidate, payload, bytes }: Read,
  coded: Encoded,
  dictionary: SeriesDictionary | undefined,
): Outcome {
  const { stats } = tools;
  stats.objects++;
  stats.bytesIn += bytes.length;
  stats.mismatches += coded.mismatches;
  const to = copyCoded(tools, candidate, payload, coded, dictionary);
  stats.bytesOut += to?.length ?? bytes.length;
  if (to === undefined) return asRaw(candidate, coded.class);
  stats.coded++;
  const { owner, record } = candidate;
  if (!isNamed(candidate, payload)) return (relocation) => repointRecord(relocation, owner, record, to, coded.class);
  const moved = new Map([[placeId(payload), to]]);
  return (relocation) => void repointExtents(relocation, owner, moved, coded.class);
}

/** A manifest says where the bytes lie. */
function isNamed({ record }: Candidate, payload: Location): boolean {
  return placeId(record) !== placeId(payload);
}

function asRaw({ owner, record }: Candidate, contentClass: number): Outcome {
  return (relocation) => classify(relocation, owner, record, contentClass);
}

function copyCoded(
  tools: CodingTools,
  candidate: Candidate,
  payload: Location,
  coded: Encoded,
  dictionary: SeriesDictionary | undefined,
): Location | undefined {
  const { stored, dictionaryId } = coded;
  if (stored === undefined) return undefined;
  const output = tools.output();
  if (dictionaryId !== 0 && (dictionary?.dictionary.id !== dictionaryId || !output.addDictionary(dictionary.stored)))
    return undefined;
  const own = isNamed(candidate, payload) ? extentHead(candidate.head) : candidate.head;
  return output.append(codedHead(own, coded, payload), stored);
}

/** Of the bytes of an object that its manifest names. */
export function extentHead({ bucketId, key, timestamp }: RecordHead): RecordHead {
  return recordHead({ kind: RECORD_KIND.extent, bucketId, key, timestamp });
}

export function codedHead(head: RecordHead, coded: Encoded, { crc, size }: Location): RecordHead {
  return {
    ...head,
    codec: coded.codec,
    class: coded.class,
    dictionaryId: coded.dictionaryId,
    payloadLength: coded.stored?.length ?? 0,
    payloadCrc: crc,
    size,
  };
}
