/**
 * Objects.List. Promises: pages follow each other without gap or repeat, each with a token that goes on behind it on any gateway; the
 * last one has none; a page costs what it holds, and the next is read when this one has left.
 *
 * Hardest decision: a page is cut where it has a MiB, since 1,000 objects with long keys and metadata would not fit into the 4 MiB
 * that clients take. So a page may hold less than `page_size` and still not be the last.
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ListEntry } from '../../base/object-store.ts';
import { ListPage, ListRequest } from '../../format/messages.ts';
import { callerOf, type DataPlane, type OpenBucket, openBucket, requireAction } from './access.ts';
import { decodeRequest } from './decode-request.ts';
import { objectInfoOf } from './object-info.ts';
import { decodeResumeToken, encodeResumeToken, type Place } from './resume-token.ts';
import type { ServerCall } from './server-call.ts';

/** What an entry takes besides its names: numbers, ETag, content type. More than it is, to be safe. */
const ENTRY_BYTES = 128;

export async function listObjects(plane: DataPlane, call: ServerCall): Promise<void> {
  const request = decodeRequest(ListRequest, await call.message());
  call.resource = `/${request.bucket}`;
  const bucket = openBucket(plane, callerOf(plane, call), request.bucket);
  requireAction(bucket, 'list');
  const limit = pageSize(request);
  const { prefix, delimiter, startAfter, resumeToken } = request;
  let place: Place | undefined =
    resumeToken === '' ? { after: startAfter, afterPrefix: false } : decodeResumeToken(resumeToken, request);
  while (place !== undefined && !call.isOver) {
    const page = await plane.storage.objects.list(bucket.name, { prefix, delimiter, limit, ...place });
    place = page.next;
    for (const cut of cutPage(page.entries)) {
      const behind = cut.isLast ? place : placeBehind(cut.entries.at(-1) as ListEntry);
      await call.write(
        pageMessage(bucket, cut.entries, behind === undefined ? '' : encodeResumeToken(behind, request)),
      );
    }
  }
}

/** @throws GatewayError InvalidArgument */
function pageSize({ pageSize: asked }: ListRequest): number {
  if (asked <= LIMITS.listPageMax) return asked === 0 ? LIMITS.listPageMax : asked;
  throw new GatewayError(
    'InvalidArgument',
    `page_size is ${asked}; 1 to ${LIMITS.listPageMax} are allowed, and 0 for that.`,
  );
}

/** The entries in portions that fit into a message: at least one portion, which may be empty. */
function* cutPage(entries: readonly ListEntry[]): Generator<{ entries: readonly ListEntry[]; isLast: boolean }> {
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < entries.length; i++) {
    const more = entryBytes(entries[i] as ListEntry);
    if (i > start && bytes + more > LIMITS.listMessageBytes) {
      yield { entries: entries.slice(start, i), isLast: false };
      start = i;
      bytes = 0;
    }
    bytes += more;
  }
  yield { entries: start === 0 ? entries : entries.slice(start), isLast: true };
}

function entryBytes(entry: ListEntry): number {
  if (entry.kind === 'prefix') return entry.prefix.length * 3;
  const { metadata } = entry.info.attributes;
  return (
    ENTRY_BYTES +
    entry.key.length * 3 +
    (entry.info.contentType?.length ?? 0) +
    (metadata === undefined ? 0 : 2 * LIMITS.userMetadataBytesMax)
  );
}

function placeBehind(entry: ListEntry): Place {
  return entry.kind === 'prefix'
    ? { after: entry.prefix, afterPrefix: true }
    : { after: entry.key, afterPrefix: false };
}

function pageMessage(bucket: OpenBucket, entries: readonly ListEntry[], resumeToken: string): Buffer {
  const objects: ReturnType<typeof objectInfoOf>[] = [];
  const commonPrefixes: string[] = [];
  for (const entry of entries) {
    if (entry.kind === 'prefix') commonPrefixes.push(entry.prefix);
    else objects.push(objectInfoOf(bucket.name, entry.key, entry.info));
  }
  return ListPage.encode({ objects, commonPrefixes, resumeToken });
}
