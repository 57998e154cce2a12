/**
 * ListObjectsV2, ListObjects (V1) and ListObjectVersions, all from the one listing of the store. Promises: pages follow each
 * other without gap or repeat; a common prefix is listed once, on one page; a page costs what it holds.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 */
import { GatewayError } from '../../base/errors.ts';
import type { ObjectInfo } from '../../base/object-info.ts';
import type { ListPage } from '../../base/object-store.ts';
import { type ListedObject, writeObjectsV1, writeObjectsV2, writeVersions } from '../../format/s3-xml-lists.ts';
import { requireBucketAction } from '../../service/access.ts';
import { type Owner, ownerOf } from './owner.ts';
import { decodeToken, encodeToken, type PageQuery, type Place, pageQuery } from './page.ts';
import { type Answer, xml } from './reply.ts';
import type { Exchange } from './request.ts';

function list(x: Exchange, query: PageQuery, place: Place): Promise<ListPage> {
  const { prefix, delimiter, limit } = query;
  return x.front.storage.objects.list(x.bucket.name, {
    prefix,
    delimiter,
    limit,
    after: place.after,
    afterPrefix: place.afterPrefix,
  });
}

function listed(key: string, info: ObjectInfo, owner: Owner | undefined): ListedObject {
  const { checksum } = info.attributes;
  return { key, modifiedMs: info.modifiedMs, etag: info.etag, size: info.size, owner, checksum };
}

interface Rows {
  readonly objects: ListedObject[];
  readonly commonPrefixes: string[];
}

function rowsOf(page: ListPage, query: PageQuery, owner: Owner | undefined): Rows {
  const objects: ListedObject[] = [];
  const commonPrefixes: string[] = [];
  for (const entry of page.entries) {
    if (entry.kind === 'prefix') commonPrefixes.push(query.encode(entry.prefix));
    else objects.push(listed(query.encode(entry.key), entry.info, owner));
  }
  return { objects, commonPrefixes };
}

/** What all three say of the page that they are. */
function pageFacts(x: Exchange, query: PageQuery, page: ListPage) {
  return {
    bucket: x.bucket.name,
    prefix: query.encode(query.prefix),
    delimiter: query.delimiter === '' ? undefined : query.encode(query.delimiter),
    encodingType: query.encodingType,
    maxKeys: query.limit,
    // A page of none has no more of them, as S3 says it.
    truncated: page.next !== undefined && query.limit > 0,
  };
}

export async function listObjectsV2(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'list');
  const query = pageQuery(x, 'max-keys');
  const token = x.param('continuation-token');
  const startAfter = x.param('start-after');
  // An empty token is what a client sends that has none yet.
  const place =
    token === undefined || token === '' ? { after: startAfter ?? '', afterPrefix: false } : decodeToken(token);
  const page = await list(x, query, place);
  const owner = x.param('fetch-owner')?.toLowerCase() === 'true' ? ownerOf(x, x.bucket) : undefined;
  const facts = pageFacts(x, query, page);
  return xml(
    writeObjectsV2({
      ...facts,
      ...rowsOf(page, query, owner),
      startAfter: startAfter === undefined ? undefined : query.encode(startAfter),
      continuationToken: token,
      nextContinuationToken: facts.truncated && page.next !== undefined ? encodeToken(page.next) : undefined,
    }),
  );
}

export async function listObjectsV1(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'list');
  if (x.param('list-type') !== undefined) throw new GatewayError('InvalidArgument', 'list-type must be 2, or absent.');
  const query = pageQuery(x, 'max-keys');
  const marker = x.param('marker') ?? '';
  const page = await list(x, query, { after: marker, afterPrefix: isCommonPrefix(marker, query) });
  const facts = pageFacts(x, query, page);
  // Without a delimiter the last key is the next marker, and S3 leaves it to the client to see that.
  const nextMarker =
    facts.truncated && query.delimiter !== '' && page.next !== undefined ? query.encode(page.next.after) : undefined;
  return xml(
    writeObjectsV1({
      ...facts,
      ...rowsOf(page, query, ownerOf(x, x.bucket)),
      marker: query.encode(marker),
      nextMarker,
    }),
  );
}

/** A marker that is itself what the delimiter would roll up: everything below it was listed as that. */
function isCommonPrefix(marker: string, { prefix, delimiter }: PageQuery): boolean {
  if (delimiter === '' || !marker.startsWith(prefix) || marker.length === prefix.length) return false;
  return marker.indexOf(delimiter, prefix.length) === marker.length - delimiter.length;
}

export async function listObjectVersions(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'list');
  const query = pageQuery(x, 'max-keys');
  const keyMarker = x.param('key-marker') ?? '';
  const versionIdMarker = x.param('version-id-marker') ?? '';
  if (versionIdMarker !== '' && keyMarker === '') {
    throw new GatewayError('InvalidArgument', 'A version-id marker cannot be specified without a key marker.');
  }
  const page = await list(x, query, { after: keyMarker, afterPrefix: isCommonPrefix(keyMarker, query) });
  const facts = pageFacts(x, query, page);
  const { objects, commonPrefixes } = rowsOf(page, query, ownerOf(x, x.bucket));
  const next = facts.truncated ? page.next : undefined;
  return xml(
    writeVersions({
      ...facts,
      commonPrefixes,
      versions: objects.map((object) => ({ ...object, versionId: 'null', isLatest: true })),
      keyMarker: query.encode(keyMarker),
      versionIdMarker,
      nextKeyMarker: next === undefined ? undefined : query.encode(next.after),
      nextVersionIdMarker: next === undefined || next.afterPrefix ? undefined : 'null',
    }),
  );
}
