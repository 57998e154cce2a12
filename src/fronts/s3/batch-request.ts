/**
 * The body of GetBatch. Promises: a list of references that all are well-formed, or a refusal that says which one is not; what a body makes
 * of memory is bounded by its references, whatever else is in it.
 *
 * Hardest decision: JSON.parse makes up to 60 bytes of `{},`, so the brackets and commas outside of strings are counted before it runs.
 *
 * https://www.rfc-editor.org/rfc/rfc8259
 */
import { isUtf8 } from 'node:buffer';
import type { BatchOptions, BatchRef } from '../../base/batch-read.ts';
import { asGatewayError, GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { type BucketName, type ObjectKey, parseBucketName, parseObjectKey } from '../../base/names.ts';

export interface BatchRequest {
  readonly refs: readonly BatchRef[];
  readonly order: BatchOptions['order'];
  /** Advice: what will be asked for next. */
  readonly next: readonly BatchRef[];
}

type Members = Readonly<Record<string, unknown>>;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const BRACKET = 0x5b;
const BRACE = 0x7b;
/** `{`, three commas and the comma before it for each reference, a comma for each key to come, and the frame of both. */
const TOKENS_MAX = 6 * LIMITS.batchRefsMax + 16;

/**
 * @param bucket of references that name none
 * @throws GatewayError InvalidArgument
 */
export function parseBatch(bytes: Buffer, bucket: BucketName): BatchRequest {
  const document = parseJson(bytes);
  if (Array.isArray(document)) return { refs: refsOfKeys(document, 'keys', bucket), order: 'completion', next: [] };
  const members = membersOf(document, 'The body', ['keys', 'objects', 'order', 'next']);
  const { keys, objects, order = 'completion', next = [] } = members;
  if ((keys === undefined) === (objects === undefined)) throw invalid('The body needs either "keys" or "objects".');
  if (order !== 'completion' && order !== 'strict')
    throw invalid(`order is ${shown(order)}; "completion" and "strict" are known.`);
  return {
    refs: keys === undefined ? refsOfObjects(objects, bucket) : refsOfKeys(keys, 'keys', bucket),
    order,
    next: refsOfKeys(next, 'next', bucket, 0),
  };
}

function invalid(message: string): GatewayError {
  return new GatewayError('InvalidArgument', message);
}

/** A value of the client for a message, short and without control characters. What is nested may be too deep to be written. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return (JSON.stringify(value) ?? 'missing').slice(0, 80);
}

function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw invalid('The body is not UTF-8; send JSON.');
  boundTokens(bytes);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    const reason = error instanceof Error ? JSON.stringify(error.message).slice(1, -1) : '';
    throw invalid(`The body is not JSON: ${reason.slice(0, 200)}`);
  }
}

function boundTokens(bytes: Buffer): void {
  let tokens = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) i = endOfString(bytes, i);
    else if (byte === COMMA || byte === BRACKET || byte === BRACE) tokens++;
  }
  if (tokens > TOKENS_MAX) throw invalid(`The body has too many elements; ${many(LIMITS.batchRefsMax)} are allowed.`);
}

/** Position of the quote that closes a string; the end of the bytes where none does. */
function endOfString(bytes: Buffer, start: number): number {
  for (let end = bytes.indexOf(QUOTE, start + 1); end >= 0; end = bytes.indexOf(QUOTE, end + 1)) {
    let before = end - 1;
    while (bytes[before] === BACKSLASH) before--;
    if ((end - before) % 2 === 1) return end;
  }
  return bytes.length;
}

function many(count: number): string {
  return `1 to ${count.toLocaleString('en-US')} objects`;
}

function membersOf(value: unknown, what: string, known: readonly string[]): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${what} is ${shown(value)}; expected an object.`);
  for (const name in value)
    if (!known.includes(name)) throw invalid(`${what} has the member ${shown(name)}; ${known.join(', ')} are known.`);
  return value as Members;
}

function listOf(value: unknown, what: string, min: number): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`${what} is ${shown(value)}; expected a list.`);
  if (value.length < min || value.length > LIMITS.batchRefsMax)
    throw invalid(`${what} has ${value.length} elements; ${many(LIMITS.batchRefsMax)} are allowed.`);
  return value;
}

function keyOf(value: unknown, where: string): ObjectKey {
  if (typeof value !== 'string') throw invalid(`${where} is ${shown(value)}; expected a key.`);
  return parsed(parseObjectKey, value, where);
}

function parsed<T>(parse: (text: string) => T, text: string, where: string): T {
  try {
    return parse(text);
  } catch (error) {
    throw invalid(`${where}: ${asGatewayError(error).message}`);
  }
}

function refsOfKeys(value: unknown, what: string, bucket: BucketName, min = 1): BatchRef[] {
  return listOf(value, what, min).map((key, i) => ({ bucket, key: keyOf(key, `${what}[${i}]`) }));
}

function refsOfObjects(value: unknown, ofBucket: BucketName): BatchRef[] {
  // Nearly always there is one bucket, or a few.
  const names = new Map<unknown, BucketName>([[undefined, ofBucket]]);
  return listOf(value, 'objects', 1).map((element, i) => {
    const where = `objects[${i}]`;
    const { key, bucket, start, end } = membersOf(element, where, ['key', 'bucket', 'start', 'end']);
    let name = names.get(bucket);
    if (name === undefined) {
      if (typeof bucket !== 'string') throw invalid(`${where}.bucket is ${shown(bucket)}; expected a name.`);
      name = parsed(parseBucketName, bucket, `${where}.bucket`);
      names.set(bucket, name);
    }
    const ref = { bucket: name, key: keyOf(key, `${where}.key`) };
    return start === undefined && end === undefined ? ref : { ...ref, range: rangeOf(start, end, where) };
  });
}

function rangeOf(start: unknown, end: unknown, where: string): { start: number; end?: number } {
  const from = start === undefined ? 0 : positionOf(start, `${where}.start`);
  if (end === undefined) return { start: from };
  const to = positionOf(end, `${where}.end`);
  if (to <= from) throw invalid(`${where}: end is ${to} and start ${from}; end is the first byte behind the range.`);
  return { start: from, end: to };
}

function positionOf(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(`${where} is ${shown(value)}; expected a number of bytes.`);
}
