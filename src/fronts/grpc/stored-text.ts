/**
 * Text of a gRPC message as it lies in the store, which keeps header values as S3 has them: latin1 strings of the bytes. Promises: what
 * came over gRPC comes back over gRPC as it was, and over S3 as its UTF-8 bytes; what no header could carry is refused.
 */
import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../../base/errors.ts';

const ASCII = /^[\t\x20-\x7e]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/**
 * The UTF-8 bytes of `value` as a latin1 string.
 *
 * @param what names it in the refusal
 * @throws GatewayError InvalidArgument
 */
export function storedText(what: string, value: string): string {
  if (CONTROL.test(value))
    throw new GatewayError('InvalidArgument', `${what} holds control characters, which S3 could not carry.`);
  if (value.trim() !== value)
    throw new GatewayError('InvalidArgument', `${what} begins or ends with white space, which S3 would lose.`);
  return ASCII.test(value) ? value : Buffer.from(value, 'utf8').toString('latin1');
}

/** The text of stored bytes: UTF-8 where they are that, else latin1, as older S3 clients send it. */
export function shownText(stored: string): string {
  if (ASCII.test(stored)) return stored;
  const bytes = Buffer.from(stored, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : stored;
}
