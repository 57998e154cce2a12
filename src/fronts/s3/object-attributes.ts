/** GetObjectAttributes: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ObjectInfo } from '../../base/object-info.ts';
import { formatHttpDate } from '../../format/http-date.ts';
import { type ObjectAttributesAnswer, writeObjectAttributes } from '../../format/s3-xml-write.ts';
import { mayReadObject } from '../../service/access.ts';
import { noSuchKey } from './get-object.ts';
import { checksumOf } from './object-headers.ts';
import { type Answer, xml } from './reply.ts';
import type { Exchange } from './request.ts';

const NAMES: ReadonlySet<string> = new Set(['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize']);

/** @throws GatewayError InvalidArgument */
function wantedAttributes(x: Exchange): ReadonlySet<string> {
  const names = (x.header('x-amz-object-attributes') ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const unknown = names.find((name) => !NAMES.has(name));
  if (unknown === undefined && names.length > 0) return new Set(names);
  throw new GatewayError(
    'InvalidArgument',
    `x-amz-object-attributes must list one or more of ${[...NAMES].join(', ')}.`,
    {
      details: { ArgumentName: 'x-amz-object-attributes', ArgumentValue: unknown?.slice(0, 80) ?? '' },
    },
  );
}

export async function getObjectAttributes(x: Exchange): Promise<Answer> {
  const { bucket, key } = x;
  const wanted = wantedAttributes(x);
  const info = await x.front.storage.objects.head(bucket.name, key, { parts: wanted.has('ObjectParts') });
  if (info === undefined) throw noSuchKey(x, bucket);
  if (!mayReadObject(x.credential, bucket, info.attributes.acl)) throw new GatewayError('AccessDenied');
  const answer: ObjectAttributesAnswer = {
    etag: wanted.has('ETag') ? info.etag : undefined,
    checksum: wanted.has('Checksum') ? checksumOf(info) : undefined,
    parts: wanted.has('ObjectParts') ? partsPage(x, info) : undefined,
    storageClass: wanted.has('StorageClass') ? 'STANDARD' : undefined,
    size: wanted.has('ObjectSize') ? info.size : undefined,
  };
  return xml(writeObjectAttributes(answer), ['Last-Modified', formatHttpDate(info.modifiedMs)]);
}

/** Only what a multipart upload made has parts. */
function partsPage(x: Exchange, info: ObjectInfo): ObjectAttributesAnswer['parts'] {
  const parts = info.parts ?? [];
  if (info.partCount === 0) return undefined;
  const maxParts = integerHeader(x, 'x-amz-max-parts', LIMITS.listPageMax);
  const marker = integerHeader(x, 'x-amz-part-number-marker', 0);
  const page = parts.filter((part) => part.number > marker).slice(0, Math.min(maxParts, LIMITS.listPageMax));
  const last = page.at(-1)?.number ?? marker;
  const truncated = parts.length > 0 && last < (parts.at(-1)?.number ?? 0) && page.length > 0;
  return { total: info.partCount, marker, nextMarker: page.length === 0 ? undefined : last, maxParts, truncated, page };
}

/** @throws GatewayError InvalidArgument */
function integerHeader(x: Exchange, name: string, absent: number): number {
  const text = x.header(name);
  if (text === undefined) return absent;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new GatewayError('InvalidArgument', `${name} is "${text.slice(0, 40)}"; expected a whole number.`);
}
