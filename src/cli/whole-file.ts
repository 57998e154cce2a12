/** An object as a file that is there whole or not at all. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RemoteBody } from './s3-client.ts';

/** Writes beside the place and renames, so that no half file ever has the name. */
export async function writeWhole(path: string, body: RemoteBody, onBytes: (bytes: number) => void): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.penstock-${randomBytes(8).toString('hex')}.part`);
  const file = await open(temporary, 'wx').catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    await mkdir(folder, { recursive: true });
    return open(temporary, 'wx');
  });
  try {
    for await (const chunk of body.chunks) {
      await file.writeFile(chunk);
      onBytes(chunk.length);
    }
    await file.close();
    if (body.head.modifiedMs > 0) await utimes(temporary, new Date(), new Date(body.head.modifiedMs));
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  }
}
