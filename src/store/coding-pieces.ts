/**
 * Codes an object that lies in many extents, each apart, so that a range needs no more of them than before. What the object is, its first
 * extent says; the others are told how the pixels lie in them. The index is pointed at the copies after all of them, or after so many that
 * their places take memory: the manifest is written anew each time. Only the last time does the object get its class, so one that was cut
 * short is looked at again, and what is coded already is left alone.
 */
import { LIMITS } from '../base/limits.ts';
import type { Encoded, PayloadCodec } from '../codec/object-coding.ts';
import type { Content } from '../format/content.ts';
import { detectBeginning } from '../format/content-detect.ts';
import { pixelsOfPiece } from '../format/content-pixels.ts';
import type { Location } from '../format/manifest.ts';
import { type Candidate, codedHead, extentHead, readIntact } from './coding-step.ts';
import type { CodingTools } from './coding-tools.ts';
import { classify, placeId, repointExtents } from './relocator.ts';

/** Extents coded between two flushes. */
const GROUP = 2;
/** Copies that the index is not pointed at yet. */
const MOVED_MAX = 4096;
/** An object of no known kind whose first extents do not shrink is left alone. */
const TRIAL_EXTENTS = 4;

interface Piece {
  readonly location: Location;
  /** In the object. */
  readonly start: number;
}

export async function codePieces(
  tools: CodingTools,
  candidate: Candidate,
  extents: readonly Location[],
  size: number,
): Promise<void> {
  const content = await contentOf(tools, extents[0], size);
  if (content === undefined) return;
  const moved = new Map<string, Location>();
  let tried = 0;
  let start = 0;
  let group: Piece[] = [];
  for (const [i, location] of extents.entries()) {
    if (content.isCompressed) break;
    if (location.codec === 0) group.push({ location, start });
    start += location.size;
    if (group.length < GROUP && i < extents.length - 1) continue;
    tried += group.length;
    await codeGroup(tools, candidate, content, group, moved);
    group = [];
    if (content.pixels === undefined && moved.size === 0 && tried >= TRIAL_EXTENTS) break;
  }
  if (moved.size > 0) tools.output(); // the manifest goes there; the last copies may have filled the one before
  await tools.commit((relocation) => {
    const { owner } = candidate;
    if (repointExtents(relocation, owner, moved, content.class)) return;
    const entry = relocation.index.entry(owner.table, owner.indexKey);
    if (entry?.versionId.equals(candidate.head.versionId)) classify(relocation, owner, entry.record, content.class);
  });
}

async function contentOf(tools: CodingTools, first: Location | undefined, size: number): Promise<Content | undefined> {
  if (first === undefined) return undefined;
  const stored = await readIntact(tools, first);
  if (stored === undefined) return undefined;
  if (first.codec === 0) return detectBeginning(stored, size);
  const { codec, size: bytes, crc } = first;
  const item = { codec: codec as PayloadCodec, stored, size: bytes, crc, dictionary: undefined };
  const [decoded] = await tools.cancellable(tools.coder.decode([item]));
  return Buffer.isBuffer(decoded) ? detectBeginning(decoded, size) : undefined;
}

async function codeGroup(
  tools: CodingTools,
  candidate: Candidate,
  content: Content,
  group: readonly Piece[],
  moved: Map<string, Location>,
): Promise<void> {
  const startedMs = performance.now();
  const pieces = await readPieces(tools, group);
  if (pieces.length === 0) return;
  const items = pieces.map(({ bytes, piece }) => {
    const pixels = content.pixels === undefined ? undefined : pixelsOfPiece(content.pixels, piece.start);
    return { bytes, options: { profile: tools.profile, hint: { class: content.class, pixels } } };
  });
  const coded = await tools.cancellable(tools.coder.encode(items));
  for (const [i, { piece, bytes }] of pieces.entries()) {
    const result = coded[i] as Encoded;
    const to = append(tools, candidate, piece.location, result);
    count(tools, bytes.length, result, to);
    if (to !== undefined) moved.set(placeId(piece.location), to);
  }
  const isMany = moved.size >= MOVED_MAX;
  if (isMany) tools.output();
  await tools.commit((relocation) => {
    if (isMany) repointExtents(relocation, candidate.owner, moved);
  });
  if (isMany) moved.clear();
  await tools.rest(startedMs);
}

async function readPieces(
  tools: CodingTools,
  group: readonly Piece[],
): Promise<{ readonly piece: Piece; readonly bytes: Buffer }[]> {
  const found: { piece: Piece; bytes: Buffer }[] = [];
  for (const piece of group) {
    const bytes = await readIntact(tools, piece.location);
    if (bytes !== undefined && bytes.length <= LIMITS.extentBytes) found.push({ piece, bytes });
  }
  return found;
}

/** A piece has no dictionary: the header of a large object is little of it. */
function append(tools: CodingTools, { head }: Candidate, from: Location, coded: Encoded): Location | undefined {
  if (coded.stored === undefined || coded.dictionaryId !== 0) return undefined;
  return tools.output().append(codedHead(extentHead(head), coded, from), coded.stored);
}

function count({ stats }: CodingTools, bytes: number, coded: Encoded, to: Location | undefined): void {
  stats.objects++;
  stats.bytesIn += bytes;
  stats.bytesOut += to?.length ?? bytes;
  stats.mismatches += coded.mismatches;
  if (to !== undefined) stats.coded++;
}
