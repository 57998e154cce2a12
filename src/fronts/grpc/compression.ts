/** gzip (RFC 1952) of single messages, on the thread pool. */
import { gunzip, gzip } from 'node:zlib';

const LEVEL = 1; // messages that ask for it are listings and descriptions, where the first level takes most of what there is

/** @throws RangeError when it would be larger than `bytesMax`; Error when it is no gzip, or is cut */
export function decompress(message: Buffer, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gunzip(message, { maxOutputLength: bytesMax }, (error: NodeJS.ErrnoException | null, result) => {
      if (error === null) resolve(result);
      else if (error.code === 'ERR_BUFFER_TOO_LARGE') {
        reject(new RangeError(`A compressed message has more than ${bytesMax} bytes; no more are taken here.`));
      } else reject(new Error(`A compressed message is no gzip: ${error.message}`, { cause: error }));
    });
  });
}

export function compress(message: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gzip(message, { level: LEVEL }, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}
