/**
 * The reads of one field, for the generated messages. Stricter than protobufjs where a wrong value could pass unseen: text must be
 * UTF-8, numbers must fit, and nothing is read past the end of the message that it is in. All throw RangeError or Error.
 *
 * HOT PATH: see message-type.ts.
 *
 * Hardest decision: 64-bit integers are plain numbers. All of ours count bytes, samples or seconds, so that one above 2^53 - 1 is a
 * mistake, and refusing it here saves every user from BigInt.
 */
import { isUtf8 } from 'node:buffer';
import { LIMITS } from '../base/limits.ts';
import type { Reader, ReadMessage } from './message-type.ts';

/** What a `bytes` field holds that is not there. */
export const NO_BYTES: Buffer = Buffer.alloc(0);

/** Reads a length and moves past as many bytes. @returns where they begin; they end at `reader.pos` */
function take(reader: Reader): number {
  const length = reader.size();
  const start = reader.pos;
  if (start + length > reader.len) throw new RangeError(`${length} bytes announced, ${reader.len - start} left`);
  reader.pos = start + length;
  return start;
}

export function readString(reader: Reader): string {
  const start = take(reader);
  const bytes = reader.buf as Buffer;
  const text = bytes.toString('utf8', start, reader.pos);
  // What is not UTF-8 becomes this character; only then is it worth looking closer.
  if (text.includes('\uFFFD') && !isUtf8(bytes.subarray(start, reader.pos))) {
    throw new RangeError('a string is not UTF-8');
  }
  return text;
}

export function readBytes(reader: Reader): Buffer {
  const start = take(reader);
  return (reader.buf as Buffer).subarray(start, reader.pos);
}

/** Exact up to 2^53, and never below it for what is above. Longer than ten bytes is no varint. */
function readVarint64(reader: Reader): number {
  const bytes = reader.buf;
  const end = Math.min(reader.pos + 10, reader.len);
  let value = 0;
  let scale = 1;
  for (let pos = reader.pos; pos < end; pos++) {
    const byte = bytes[pos] as number;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      reader.pos = pos + 1;
      return value;
    }
    scale *= 128;
  }
  throw new RangeError('a varint does not end');
}

export function readUint64(reader: Reader): number {
  const value = readVarint64(reader);
  if (value > Number.MAX_SAFE_INTEGER) throw new RangeError('a number is above 2^53 - 1');
  return value;
}

export function readInt64(reader: Reader): number {
  const start = reader.pos;
  const value = readVarint64(reader);
  if (value <= Number.MAX_SAFE_INTEGER) return value;
  // Negative numbers are ten bytes long: two's complement.
  let bits = 0n;
  for (let pos = reader.pos - 1; pos >= start; pos--) bits = (bits << 7n) | BigInt((reader.buf[pos] as number) & 0x7f);
  const signed = Number(BigInt.asIntN(64, bits));
  if (!Number.isSafeInteger(signed)) throw new RangeError('a number is not within ±(2^53 - 1)');
  return signed;
}

export function readBool(reader: Reader): boolean {
  return reader.bool();
}

export function readFixed32(reader: Reader): number {
  return reader.fixed32();
}

export function readUint32(reader: Reader): number {
  return reader.uint32();
}

export function readInt32(reader: Reader): number {
  return reader.int32();
}

/** A message in a field: reads no further than its announced length. */
export function readNested<M>(reader: Reader, read: ReadMessage<M>, into?: M): M {
  const start = take(reader);
  const outer = reader.len;
  reader.len = reader.pos;
  reader.pos = start;
  const message = read(reader, into);
  reader.len = outer;
  return message;
}

/** The packed form of a repeated number. */
export function readPacked(reader: Reader, into: number[], read: (reader: Reader) => number): void {
  const start = take(reader);
  const outer = reader.len;
  reader.len = reader.pos;
  reader.pos = start;
  while (reader.pos < reader.len) {
    checkRoom(into.length);
    into.push(read(reader));
  }
  reader.len = outer;
}

/** One entry of a map: a message of key 1 and value 2, either of which may be left out. */
export function readMapEntry<V>(
  reader: Reader,
  into: Record<string, V>,
  count: number,
  readValue: (reader: Reader) => V,
  absent: () => V,
): void {
  checkRoom(count);
  const start = take(reader);
  const outer = reader.len;
  reader.len = reader.pos;
  reader.pos = start;
  let key = '';
  let value: V | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.tag();
    if (tag === 10) key = readString(reader);
    else if (tag === 18) value = readValue(reader);
    else skipField(reader, tag);
  }
  into[key] = value ?? absent();
  reader.len = outer;
}

/** An object without a prototype, so that no name means more than itself. */
export function newMap<V>(from?: Readonly<Record<string, V>>): Record<string, V> {
  return Object.assign(Object.create(null), from);
}

/** Keeps tiny items from taking a hundred times the memory of their bytes. */
export function checkRoom(count: number): void {
  if (count >= LIMITS.messageItemsMax) throw new RangeError(`a field has more than ${LIMITS.messageItemsMax} items`);
}

export function skipField(reader: Reader, tag: number): void {
  reader.skipType(tag & 7, undefined, tag >>> 3);
}
