// HOT PATH
/**
 * Original bytes from a stored payload, whole or a range of them.
 *
 * Promises: no byte is given that was not checked: the stored bytes by the CRC-32 before them, before any decoder sees them, and what was
 * decoded by the CRC-32 of the original (of its sections for a range, which decodes only those that it touches). Whatever the bytes are, the
 * answer is those that were stored, or a GatewayError DataLoss, and takes as much memory as the original has bytes, twice.
 *
 * Guarded by `npm run bench -- compression`.
 */
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { checkStoredCrc, dictionaryIdIn, readCodedPayload, type StoredSection } from '../format/coded-payload.ts';
import { crc32Of } from '../format/crc32.ts';
import type { CodecSet } from './codec-set.ts';
import { type DecodeItem, PAYLOAD_CODEC, type PayloadCodec } from './object-coding.ts';
import { CODEC } from './plane-codec.ts';

function lost(what: string, cause?: unknown): GatewayError {
  return new GatewayError('DataLoss', `${what}; run "penstock doctor".`, cause === undefined ? {} : { cause });
}

/**
 * The dictionary that must be there before the payload can be decoded; 0: none. Looks at the first bytes alone and checks no CRC.
 *
 * @throws GatewayError DataLoss when the payload does not begin as its codec says
 */
export function dictionaryIdOf(codec: PayloadCodec, stored: Buffer): number {
  return codec === PAYLOAD_CODEC.sections ? dictionaryIdIn(stored) : 0;
}

/**
 * The original bytes, or those of `item.range`. Of a raw payload they are a view into `item.stored`, else a buffer of its own.
 *
 * @throws GatewayError DataLoss when the payload is damaged, its dictionary is missing, or a newer version made it
 * @throws RangeError when the range is not within the original
 */
export function decodePayload(codecs: CodecSet, item: DecodeItem): Buffer {
  const { codec, size, range } = item;
  if (range !== undefined && !(range.start >= 0 && range.start <= range.end && range.end <= size))
    throw new RangeError(`bytes ${range.start} to ${range.end} of ${size}`);
  switch (codec) {
    case PAYLOAD_CODEC.raw:
      return decodeRaw(item);
    case PAYLOAD_CODEC.zstd:
      return decodePlain(codecs, item);
    case PAYLOAD_CODEC.sections:
      return decodeSections(codecs, item);
    default:
      throw lost(`A payload has the codec ${String(codec)}, which this version does not know`);
  }
}

/** Before anything is decoded: the stored bytes are those that were written, and ask for no more memory than a payload may take. */
function checkStored({ stored, size }: DecodeItem): void {
  if (size > LIMITS.extentBytes)
    throw lost(`A coded payload should have ${size} bytes; the largest has ${LIMITS.extentBytes}`);
  checkStoredCrc(stored);
}

function checkWhole(bytes: Buffer, item: DecodeItem): void {
  if (bytes.length !== item.size) throw lost(`A payload has ${bytes.length} bytes, and it should have ${item.size}`);
  if (crc32Of(bytes, 0) !== item.crc) throw lost('A payload does not have the CRC-32 of the bytes that were stored');
}

function decodeRaw(item: DecodeItem): Buffer {
  checkWhole(item.stored, item);
  const { range } = item;
  return range === undefined ? item.stored : item.stored.subarray(range.start, range.end);
}

function decodePlain(codecs: CodecSet, item: DecodeItem): Buffer {
  checkStored(item);
  const whole = Buffer.allocUnsafeSlow(item.size);
  decodeWith(codecs, CODEC.zstd, item.stored.subarray(4), undefined, whole, undefined);
  checkWhole(whole, item);
  const { range } = item;
  if (range === undefined) return whole;
  const part = Buffer.allocUnsafeSlow(range.end - range.start);
  whole.copy(part, 0, range.start, range.end);
  return part;
}

function decodeSections(codecs: CodecSet, item: DecodeItem): Buffer {
  checkStored(item);
  const payload = readCodedPayload(item.stored);
  if (payload.size !== item.size) throw lost(`A payload has ${payload.size} bytes, and it should have ${item.size}`);
  const dictionary = dictionaryBytes(payload.dictionaryId, item);
  const isWhole = item.range === undefined;
  const { start, end } = item.range ?? { start: 0, end: item.size };
  const out = Buffer.allocUnsafeSlow(end - start);
  for (const section of payload.sections) {
    if (section.end <= start) continue;
    if (section.start >= end) break;
    const isWithin = section.start >= start && section.end <= end;
    const into = isWithin
      ? out.subarray(section.start - start, section.end - start)
      : Buffer.allocUnsafe(section.end - section.start);
    decodeWith(codecs, section.codec, section.coded, section, into, dictionary);
    if (!isWhole && crc32Of(into, 0) !== section.crc)
      throw lost(`Bytes ${section.start} to ${section.end} of a payload do not have their CRC-32`);
    if (!isWithin)
      into.copy(out, Math.max(0, section.start - start), Math.max(0, start - section.start), end - section.start);
  }
  if (isWhole) checkWhole(out, item);
  return out;
}

/** @throws GatewayError DataLoss when the payload names one that was not given */
function dictionaryBytes(id: number, { dictionary }: DecodeItem): Buffer | undefined {
  if (id === 0) return undefined;
  if (dictionary?.id === id) return dictionary.bytes;
  const name = id.toString(16).padStart(8, '0');
  throw lost(
    `A payload needs the dictionary ${name}, which ${dictionary === undefined ? 'is missing' : 'is not the one that was given'}`,
  );
}

function decodeWith(
  codecs: CodecSet,
  number: number,
  coded: Buffer,
  section: StoredSection | undefined,
  into: Buffer,
  dictionary: Buffer | undefined,
): void {
  const codec = codecs.get(number);
  if (codec === undefined) throw lost(`A payload was coded with codec ${number}, which this version does not know`);
  try {
    codec.decode(coded, section?.shape, into, number === CODEC.zstdDictionary ? dictionary : undefined);
  } catch (cause) {
    throw lost(`A payload cannot be decoded with ${codec.name}: ${(cause as Error).message}`, cause);
  }
}
