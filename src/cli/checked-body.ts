/**
 * Bodies that prove themselves: bytes are counted and hashed as they pass, and the last of them is followed by an error when
 * they are not what the gateway promised. CRC-32 where the object has one for the whole, else the MD5 of its ETag.
 */
import { createHash } from 'node:crypto';
import { crc32Base64, crc32Of } from '../format/crc32.ts';
import { CliError } from './exit.ts';

export interface BodyPromise {
  /** Bytes to come. */
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  /** x-amz-checksum-crc32: base64, and `-N` at the end when it is composed of parts. */
  readonly crc32: string | undefined;
}

export interface BodyCheck {
  update(chunk: Buffer): void;
  /** @throws CliError when the bytes seen are not the bytes promised */
  finish(): void;
}

export function bodyCheck(name: string, promise: BodyPromise): BodyCheck {
  const useCrc = promise.crc32 !== undefined && !promise.crc32.includes('-');
  const md5 = !useCrc && /^[0-9a-f]{32}$/.test(promise.etag) ? createHash('md5') : undefined;
  let size = 0;
  let crc = 0;
  const damaged = (what: string, got: string, expected: string): CliError =>
    new CliError(
      `${name} arrived damaged: ${what} is ${got}, not ${expected}. Read it again; if it stays so, run \`penstock doctor\`.`,
    );
  return {
    update(chunk) {
      size += chunk.length;
      if (useCrc) crc = crc32Of(chunk, crc);
      else md5?.update(chunk);
    },
    finish() {
      if (size !== promise.size) throw damaged('its size', String(size), String(promise.size));
      if (useCrc && crc32Base64(crc) !== promise.crc32)
        throw damaged('its CRC-32', crc32Base64(crc), promise.crc32 ?? '');
      const digest = md5?.digest('hex');
      if (digest !== undefined && digest !== promise.etag) throw damaged('its MD5', digest, promise.etag);
    },
  };
}
