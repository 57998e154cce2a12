/** A file read in pieces, with an error when it is not as long as it was said to be. */
import { type FileHandle, open } from 'node:fs/promises';

/** A file in pieces of one size (the last one smaller); an empty file is one empty piece. */
export async function* fileParts(path: string, size: number, partSize: number): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    let at = 0;
    do {
      const part = Buffer.allocUnsafeSlow(Math.min(partSize, size - at));
      await readFully(file, part, at, path);
      at += part.length;
      yield part;
    } while (at < size);
    const end = await file.read(Buffer.alloc(1), 0, 1, size);
    if (end.bytesRead > 0) throw changed(path);
  } finally {
    await file.close();
  }
}

function changed(path: string): Error {
  return new Error(`${path} changed while it was read; run the same command again when nothing writes to it.`);
}

async function readFully(file: FileHandle, into: Buffer, position: number, path: string): Promise<void> {
  for (let filled = 0; filled < into.length; ) {
    const { bytesRead } = await file.read(into, filled, into.length - filled, position + filled);
    if (bytesRead === 0) throw changed(path);
    filled += bytesRead;
  }
}
