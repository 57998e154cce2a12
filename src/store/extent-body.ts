/** The bytes of a range as they lie in extents, read one ahead of the receiver. */
import type { Location, Manifest } from '../format/manifest.ts';
import { dataLossOf } from './data-loss.ts';
import type { RecordReader } from './record-reader.ts';
import { VolumeGone } from './record-reader.ts';

/** Half-open range within one extent. */
interface Slice {
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

export function slicesOf(extents: readonly Location[], start: number, end: number): Slice[] {
  const slices: Slice[] = [];
  let at = 0;
  for (let index = 0; index < extents.length && at < end; index++) {
    const { size } = extents[index] as Location;
    if (at + size > start) slices.push({ index, from: Math.max(0, start - at), to: Math.min(size, end - at) });
    at += size;
  }
  return slices;
}

/**
 * Yields the range `start` to `end`. When compaction moved the object meanwhile, `renew` gives the manifest of the same version
 * in its new place, perhaps coded (extents keep their number and sizes), or throws.
 *
 * @throws GatewayError DataLoss that names `resource`
 */
export async function* extentBody(
  reader: RecordReader,
  manifest: Manifest,
  start: number,
  end: number,
  renew: () => Promise<Manifest>,
  resource: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  let { extents } = manifest;
  const slices = slicesOf(extents, start, end);
  const fetch = async ({ index, from, to }: Slice): Promise<Buffer> => {
    for (let attempt = 0; ; attempt++) {
      const extent = extents[index] as Location;
      try {
        return await (to - from === extent.size ? reader.read(extent) : reader.readRange(extent, from, to));
      } catch (error) {
        if (!(error instanceof VolumeGone) || attempt === 3) throw dataLossOf(error, resource);
        extents = (await renew()).extents;
      }
    }
  };
  let ahead = slices[0] === undefined ? undefined : fetch(slices[0]);
  for (let i = 0; i < slices.length; i++) {
    signal?.throwIfAborted();
    const bytes = await (ahead as Promise<Buffer>);
    const next = slices[i + 1];
    ahead = next === undefined ? undefined : fetch(next);
    ahead?.catch(() => {}); // met when it is awaited
    yield bytes;
  }
}

/** Start and end of a part, from the part table. */
export function partRange(manifest: Manifest, position: number): { start: number; end: number } | undefined {
  let start = 0;
  for (let i = 0; i < manifest.parts.length; i++) {
    const size = manifest.parts[i]?.size ?? 0;
    if (i + 1 === position) return { start, end: start + size };
    start += size;
  }
  return undefined;
}
