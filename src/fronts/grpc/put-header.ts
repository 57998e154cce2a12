// HOT PATH (bench: every object of a PutBatch has a header)
/**
 * What the header of a write says, checked: `Objects.Put` and every entry of `Batches.PutBatch`. Promises: the limits of S3 hold here
 * too, so that whatever came over gRPC can be served over S3; whatever is said is either kept or refused.
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { type ObjectKey, parseObjectKey } from '../../base/names.ts';
import type { ObjectAttributes } from '../../base/object-info.ts';
import type { WriteConditions } from '../../base/object-store.ts';
import type { PutHeader } from '../../format/messages.ts';
import { storedText } from './stored-text.ts';

export interface PutTarget {
  readonly key: ObjectKey;
  readonly contentType: string | undefined;
  readonly attributes: ObjectAttributes;
  readonly conditions: WriteConditions;
}

/** A field name of HTTP (RFC 9110 section 5.1) in lower case, which is how S3 shows it. */
const METADATA_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const NO_ATTRIBUTES: ObjectAttributes = Object.freeze({});
const UNCONDITIONAL: WriteConditions = Object.freeze({});
const IF_ABSENT: WriteConditions = Object.freeze({ ifNoneMatch: '*' });

/** Everything but the bucket and the size. @throws GatewayError InvalidURI, KeyTooLongError, InvalidArgument, MetadataTooLarge */
export function parsePutHeader(header: PutHeader): PutTarget {
  const { contentType } = header;
  return {
    key: parseObjectKey(header.key),
    contentType: contentType === '' ? undefined : storedText('content_type', contentType),
    attributes: attributesOf(header.metadata),
    conditions: conditionsOf(header),
  };
}

function attributesOf(metadata: Readonly<Record<string, string>>): ObjectAttributes {
  let kept: Record<string, string> | undefined;
  let bytes = 0;
  for (const name in metadata) {
    if (!METADATA_NAME.test(name)) {
      throw new GatewayError(
        'InvalidArgument',
        `The name of metadata "${name.slice(0, 80)}" is not valid: use lower-case letters, digits and !#$%&'*+-.^_\`|~, as S3 shows them.`,
      );
    }
    const value = storedText(`The metadata "${name}"`, metadata[name] as string);
    bytes += name.length + value.length;
    // No prototype: the name is the client's.
    kept ??= Object.create(null) as Record<string, string>;
    kept[name] = value;
  }
  if (kept === undefined) return NO_ATTRIBUTES;
  if (bytes <= LIMITS.userMetadataBytesMax) return { metadata: kept };
  throw new GatewayError(
    'MetadataTooLarge',
    `The user metadata has ${bytes} bytes; at most ${LIMITS.userMetadataBytesMax} are allowed.`,
    { details: { Size: String(bytes), MaxSizeAllowed: String(LIMITS.userMetadataBytesMax) } },
  );
}

function conditionsOf({ ifAbsent, ifMatch }: PutHeader): WriteConditions {
  if (ifMatch === '') return ifAbsent ? IF_ABSENT : UNCONDITIONAL;
  if (ifAbsent)
    throw new GatewayError(
      'InvalidArgument',
      'if_absent and if_match exclude each other: an object is there, or it is not.',
    );
  return { ifMatch: bareEtag(ifMatch) };
}

/** An ETag without the quotes that it has in HTTP. */
export function bareEtag(etag: string): string {
  return etag.length >= 2 && etag.startsWith('"') && etag.endsWith('"') ? etag.slice(1, -1) : etag;
}
