/**
 * What a client said about an object, as bytes beside its key in record and index: one byte with the length of the content
 * type, the content type, then JSON of the rest where there is a rest. The content type stands apart because every GET sends
 * it and few need more.
 */
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { ObjectAttributes } from '../base/object-store.ts';

/** JSON names are stored; `upload` is the upload that made the object. */
export interface AttributesOnDisk extends ObjectAttributes {
  readonly upload?: string;
}

const EMPTY: AttributesOnDisk = Object.freeze({});

/** @throws GatewayError MetadataTooLarge */
export function encodeAttributes(contentType: string | undefined, attributes: AttributesOnDisk): Buffer {
  const type = Buffer.from(contentType ?? '', 'latin1');
  if (type.length > 255)
    throw new GatewayError('InvalidArgument', `Content-Type has ${type.length} bytes; at most 255 are kept.`);
  const json = isEmpty(attributes) ? '' : JSON.stringify(attributes);
  const bytes = Buffer.concat([Buffer.from([type.length]), type, Buffer.from(json)]);
  if (bytes.length > LIMITS.recordAttributesBytesMax) {
    throw new GatewayError(
      'MetadataTooLarge',
      `Headers and metadata have ${bytes.length} bytes; at most ${LIMITS.recordAttributesBytesMax} are kept.`,
    );
  }
  return bytes;
}

function isEmpty(attributes: object): boolean {
  for (const name in attributes) if (attributes[name as keyof typeof attributes] !== undefined) return false;
  return true;
}

export function contentTypeOf(bytes: Buffer): string | undefined {
  const length = bytes[0] ?? 0;
  return length === 0 ? undefined : bytes.toString('latin1', 1, 1 + length);
}

export function attributesOf(bytes: Buffer): AttributesOnDisk {
  const start = 1 + (bytes[0] ?? 0);
  if (start >= bytes.length) return EMPTY;
  return JSON.parse(bytes.toString('utf8', start)) as AttributesOnDisk;
}
