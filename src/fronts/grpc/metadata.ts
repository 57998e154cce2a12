/**
 * Checks of response metadata. node:http2 sends values as they are: a newline would go out raw, a NUL wreck the block, and a block that
 * is too large end the whole session, so nothing that is doubtful comes near it.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
import { LIMITS } from '../../base/limits.ts';

const NAME = /^[0-9a-z_.-]+$/;
const RESERVED = /^(?:grpc-|content-|te$|connection$)/;
const VALUE = /^[\x20-\x7e]*$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** HPACK counts a field with this many bytes beside its name and value. */
const FIELD_BYTES = 32;

/** @throws TypeError: a handler that sends such a thing has a bug */
export function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    if (!NAME.test(name) || RESERVED.test(name))
      throw new TypeError(`"${name}" cannot be the name of response metadata`);
    if (!(name.endsWith('-bin') ? BASE64 : VALUE).test(value)) {
      throw new TypeError(
        `the value of the response metadata ${name} is not ${name.endsWith('-bin') ? 'base64' : 'printable ASCII'}`,
      );
    }
    bytes += name.length + value.length + FIELD_BYTES;
  }
  if (bytes > LIMITS.grpcMetadataBytesMax) {
    throw new TypeError(`response metadata of ${bytes} bytes; at most ${LIMITS.grpcMetadataBytesMax} can be sent`);
  }
}
