/**
 * The writes of one field, for the generated messages: `put` a value, `write` a tag and a value. A number that its field cannot hold is
 * refused, where protobufjs would cut it to size.
 *
 * HOT PATH: see message-type.ts.
 */
import type { Input, WriteMessage, Writer } from './message-type.ts';

function putString(writer: Writer, value: string): void {
  if (!value.isWellFormed()) throw new RangeError('a string has half a surrogate pair, which UTF-8 cannot hold');
  writer.string(value);
}

export function putUint32(writer: Writer, value: number): void {
  if (value >>> 0 !== value) throw notHeld(value, 'uint32');
  writer.uint32(value);
}

export function putInt32(writer: Writer, value: number): void {
  if ((value | 0) !== value) throw notHeld(value, 'int32');
  writer.int32(value);
}

export function putUint64(writer: Writer, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw notHeld(value, 'uint64');
  // The short form costs no object.
  if (value <= 0xffff_ffff) writer.uint32(value);
  else writer.uint64(value);
}

function putInt64(writer: Writer, value: number): void {
  if (!Number.isSafeInteger(value)) throw notHeld(value, 'int64');
  writer.int64(value);
}

function putFixed32(writer: Writer, value: number): void {
  if (value >>> 0 !== value) throw notHeld(value, 'fixed32');
  writer.fixed32(value);
}

function notHeld(value: number, type: string): RangeError {
  return new RangeError(`${value} is no ${type}`);
}

export function writeString(writer: Writer, tag: number, value: string): void {
  putString(writer.uint32(tag), value);
}

export function writeBytes(writer: Writer, tag: number, value: Uint8Array): void {
  writer.uint32(tag).bytes(value);
}

export function writeUint32(writer: Writer, tag: number, value: number): void {
  putUint32(writer.uint32(tag), value);
}

export function writeInt32(writer: Writer, tag: number, value: number): void {
  putInt32(writer.uint32(tag), value);
}

export function writeFixed32(writer: Writer, tag: number, value: number): void {
  putFixed32(writer.uint32(tag), value);
}

export function writeUint64(writer: Writer, tag: number, value: number): void {
  putUint64(writer.uint32(tag), value);
}

export function writeInt64(writer: Writer, tag: number, value: number): void {
  putInt64(writer.uint32(tag), value);
}

export function writeBool(writer: Writer, tag: number, value: boolean): void {
  writer.uint32(tag).bool(value);
}

export function writeNested<M>(writer: Writer, tag: number, value: Input<M>, write: WriteMessage<M>): void {
  writer.uint32(tag).fork();
  write(writer, value);
  writer.ldelim();
}

/** All numbers of a repeated field as one run of bytes. */
export function writePacked(
  writer: Writer,
  tag: number,
  values: readonly number[],
  put: (writer: Writer, value: number) => void,
): void {
  if (values.length === 0) return;
  writer.uint32(tag).fork();
  for (const value of values) put(writer, value);
  writer.ldelim();
}

export function writeMapEntries<V>(
  writer: Writer,
  tag: number,
  entries: Readonly<Record<string, V>>,
  writeValue: (writer: Writer, value: V) => void,
): void {
  for (const key of Object.keys(entries)) {
    writer.uint32(tag).fork();
    writeString(writer, 10, key);
    writeValue(writer, entries[key] as V);
    writer.ldelim();
  }
}
