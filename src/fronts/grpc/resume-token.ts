/**
 * Where a list goes on, as clients carry it. Opaque to them: base64url of a version, a kind (`k` behind a key, `p` behind a common
 * prefix), a CRC-32 and the name. Promises: what is not ours, was cut or changed, or belongs to another query is refused, since a list
 * that went on somewhere else would have a gap that nobody sees. It is no secret and no proof: whoever has it may list anyway.
 */
import { GatewayError } from '../../base/errors.ts';
import { crc32Of } from '../../format/crc32.ts';

export interface Place {
  readonly after: string;
  readonly afterPrefix: boolean;
}

/** What a token belongs to. */
export interface ListQuery {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string;
}

const VERSION = 1;
const KEY = 0x6b;
const PREFIX = 0x70;
const HEAD_BYTES = 6;

export function encodeResumeToken({ after, afterPrefix }: Place, query: ListQuery): string {
  const name = Buffer.from(after, 'utf8');
  const token = Buffer.allocUnsafe(HEAD_BYTES + name.length);
  token[0] = VERSION;
  token[1] = afterPrefix ? PREFIX : KEY;
  token.writeUInt32BE(checksum(token[1], name, query), 2);
  name.copy(token, HEAD_BYTES);
  return token.toString('base64url');
}

/** @throws GatewayError InvalidArgument */
export function decodeResumeToken(text: string, query: ListQuery): Place {
  const token = Buffer.from(text, 'base64url');
  const kind = token[1];
  const name = token.subarray(HEAD_BYTES);
  const isOurs =
    token.length > HEAD_BYTES &&
    token[0] === VERSION &&
    (kind === KEY || kind === PREFIX) &&
    token.readUInt32BE(2) === checksum(kind, name, query) &&
    token.toString('base64url') === text;
  if (isOurs) return { after: name.toString('utf8'), afterPrefix: kind === PREFIX };
  throw new GatewayError(
    'InvalidArgument',
    'The resume_token is not one of this bucket, prefix and delimiter; send it as it came, with the request that it came from.',
  );
}

function checksum(kind: number, name: Buffer, { bucket, prefix, delimiter }: ListQuery): number {
  const query = Buffer.from(JSON.stringify([kind, bucket, prefix, delimiter]), 'utf8');
  return crc32Of(name, crc32Of(query, 0));
}
