// HOT PATH (bench: every frame of a PutBatch)
/**
 * A frame of a PutBatch taken apart. Promises: a frame is judged whole before anything of it is written, so that of a malformed one
 * nothing is.
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { type PutEntry, PutFrame } from '../../format/messages.ts';
import { decodeRequest } from './decode-request.ts';

/** An object that has not come whole. */
export interface Unfinished {
  readonly slot: number;
  readonly missing: number;
}

/** @throws GatewayError InvalidRequest, InvalidArgument */
export function decodePutFrame(message: Buffer): PutFrame {
  const frame = decodeRequest(PutFrame, message);
  if (frame.entries.length > LIMITS.putFrameEntriesMax)
    throw malformed(`it has ${frame.entries.length} entries; at most ${LIMITS.putFrameEntriesMax} are allowed`);
  let bytes = 0;
  for (const { length } of frame.entries) bytes += length;
  if (bytes === frame.payload.length) return frame;
  throw malformed(`its entries have ${bytes} bytes, but its payload has ${frame.payload.length}`);
}

/**
 * Follows the entries of a frame: which slots begin, which go on.
 *
 * @param slots those without a result; the new ones are added
 * @returns the object that goes on in the next frame
 * @throws GatewayError InvalidArgument
 */
export function followEntries(
  entries: readonly PutEntry[],
  before: Unfinished | undefined,
  slots: Set<number>,
): Unfinished | undefined {
  let open = before;
  for (const entry of entries) open = open === undefined ? begun(entry, slots) : continued(entry, open);
  return open;
}

function begun({ slot, header, length }: PutEntry, slots: Set<number>): Unfinished | undefined {
  if (header === undefined) throw malformed(`the first entry of slot ${slot} has no header`);
  if (slots.has(slot)) throw malformed(`slot ${slot} is used twice`);
  slots.add(slot);
  return length < header.size ? { slot, missing: header.size - length } : undefined;
}

function continued({ slot, header, length }: PutEntry, open: Unfinished): Unfinished | undefined {
  if (slot !== open.slot)
    throw malformed(`slot ${slot} comes before the last ${open.missing} bytes of slot ${open.slot}`);
  if (header !== undefined)
    throw malformed(`slot ${slot} has a second header; ${open.missing} bytes of it are missing`);
  if (length > open.missing)
    throw malformed(`slot ${slot} has ${length - open.missing} bytes more than its header announces`);
  return length === open.missing ? undefined : { slot, missing: open.missing - length };
}

function malformed(reason: string): GatewayError {
  return new GatewayError(
    'InvalidArgument',
    `The frame is malformed: ${reason}. Nothing of it was written, and the call ends; objects of earlier frames have their results.`,
  );
}
