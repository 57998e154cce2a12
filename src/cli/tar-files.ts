/**
 * The files in a tar, plain or gzipped, one after the other as the archive has them. An entry must be read to its end before
 * the next one comes, so whoever takes an entry says when it is done with it.
 */
import { createReadStream, type ReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { CliError, EXIT } from './exit.ts';
import { pathOfTarName } from './key-mapping.ts';

export interface TarFile {
  readonly relativePath: string;
  readonly size: number;
  readonly stream: AsyncIterable<Buffer>;
}

export interface TarEvents {
  /** A link or device, or a name that leads outside. */
  onSkipped(name: string, why: string): void;
}

export function isTarName(path: string): boolean {
  return /\.(tar|tar\.gz|tgz)$/i.test(path);
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const magic = Buffer.alloc(2);
    await file.read(magic, 0, 2, 0);
    return magic[0] === 0x1f && magic[1] === 0x8b;
  } finally {
    await file.close();
  }
}

const FOLDER_TYPES: ReadonlySet<string> = new Set(['directory', 'pax-header', 'pax-global-header']);

interface Entry extends AsyncIterable<Buffer> {
  readonly header: Header;
  resume(): void;
}

function damaged(path: string, cause: unknown): CliError {
  const what = cause instanceof Error ? cause.message : String(cause);
  return new CliError(
    `${path} is damaged or cut (${what}). What came before is imported; get the file again.`,
    EXIT.failed,
    cause,
  );
}

/**
 * The bytes of a member. Breaking off the reading does not destroy it, since a destroyed member destroys the archive; reading
 * again goes on where it stopped.
 */
function bytesOf(entry: Entry, path: string): AsyncIterable<Buffer> {
  const iterator = entry[Symbol.asyncIterator]();
  const next = async (): Promise<IteratorResult<Buffer>> => {
    try {
      return await iterator.next();
    } catch (error) {
      throw damaged(path, error);
    }
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

function fileOf(entry: Entry, path: string, events: TarEvents): TarFile | undefined {
  const { name, type, size } = entry.header;
  const kind = type ?? 'file';
  if (FOLDER_TYPES.has(kind)) return undefined;
  const relativePath = pathOfTarName(name);
  if (kind !== 'file' && kind !== 'contiguous-file') events.onSkipped(name, `it is a ${kind}`);
  else if (relativePath === undefined) events.onSkipped(name, 'its name leads outside of the archive');
  else return { relativePath, size: size ?? 0, stream: bytesOf(entry, path) };
  return undefined;
}

/** @throws CliError when the archive is damaged or cut */
export async function* tarFiles(path: string, events: TarEvents): AsyncGenerator<TarFile> {
  const archive = extract();
  const feeding = feed(createReadStream(path, { highWaterMark: 1024 * 1024 }), await isGzip(path), archive);
  try {
    for await (const entry of archive as AsyncIterable<Entry>) {
      const file = fileOf(entry, path, events);
      if (file !== undefined) yield file;
      entry.resume(); // what nobody wanted of it
    }
    const failure = await feeding;
    if (failure !== undefined) throw failure;
  } catch (error) {
    const failure = (await feeding) ?? (error as Error);
    const code = (failure as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'EACCES') throw failure;
    throw damaged(path, failure);
  }
}

/** Resolves to what went wrong, so that it can be asked for later without an unhandled rejection. */
async function feed(input: ReadStream, gzip: boolean, archive: NodeJS.WritableStream): Promise<Error | undefined> {
  try {
    if (gzip) await pipeline(input, createGunzip(), archive);
    else await pipeline(input, archive);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
