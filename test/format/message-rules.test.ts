import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../src/base/limits.ts';
import { MalformedMessage, type MessageType } from '../../src/format/message-type.ts';
import {
  BatchEnd,
  BatchFrame,
  ByteRange,
  ErrorInfo,
  GetBatchRequest,
  GetRequest,
  HeadRequest,
  ObjectInfo,
  Order,
  PutChunk,
  Status,
  Timestamp,
} from '../../src/format/messages.ts';
import { ServerReflectionRequest } from '../../src/format/reflection-messages.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

function refuses(message: MessageType<never> | MessageType<unknown>, bytes: Buffer, why: RegExp): void {
  assert.throws(
    () => message.decode(bytes),
    (error) => {
      assert.ok(error instanceof MalformedMessage && error instanceof RangeError);
      assert.ok(error.message.startsWith(`${message.fullName} is malformed: `), error.message);
      assert.match(error.message, why);
      return true;
    },
  );
}

test('text that is not UTF-8 is malformed, and the replacement character is text like any other', () => {
  for (const bad of ['ff', 'c3', 'c080', 'eda080', 'f4908080', '61ff62']) {
    const text = hex(bad);
    refuses(HeadRequest, Buffer.concat([hex('0a'), Buffer.of(text.length), text]), /not UTF-8/);
  }
  refuses(ErrorInfo, hex('1a 05 0a 01 ff 12 00'), /not UTF-8/);
  const key = 'a\uFFFD\uFEFFé\u{1F600}';
  assert.equal(HeadRequest.decode(HeadRequest.encode({ key })).key, key);
  assert.equal(HeadRequest.decode(HeadRequest.encode({ key: '\uFEFFa' })).key, '\uFEFFa');
});

test('a 64-bit number is exact up to 2^53 - 1 and malformed above', () => {
  assert.equal(ByteRange.decode(hex('08 ff ff ff ff ff ff ff 0f')).start, Number.MAX_SAFE_INTEGER);
  refuses(ByteRange, hex('08 80 80 80 80 80 80 80 10'), /above 2\^53 - 1/);
  refuses(ByteRange, hex('08 ff ff ff ff ff ff ff ff ff 01'), /above 2\^53 - 1/);
  refuses(GetBatchRequest, hex('2a 08 80 80 80 80 80 80 80 10'), /above 2\^53 - 1/);
});

test('a signed 64-bit number may be negative, down to -(2^53 - 1)', () => {
  for (const seconds of [-1, -5, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]) {
    assert.equal(Timestamp.decode(Timestamp.encode({ seconds })).seconds, seconds);
  }
  assert.equal(Timestamp.decode(hex('08 ff ff ff ff ff ff ff ff ff 01')).seconds, -1);
  refuses(Timestamp, hex('08 80 80 80 80 80 80 80 80 80 01'), /not within/); // -(2^63)
  refuses(Timestamp, hex('08 80 80 80 80 80 80 80 10'), /not within/); // 2^53
});

test('a varint longer than its value needs is read, one that does not end is malformed', () => {
  assert.equal(ByteRange.decode(hex('08 81 80 80 80 80 80 80 80 80 00')).start, 1);
  refuses(ByteRange, hex('08 81 80 80 80 80 80 80 80 80 80 00'), /does not end/);
  refuses(ByteRange, hex('08 81'), /does not end/);
  refuses(BatchEnd, hex('08 81'), /./);
});

test('nothing is read past the end of the message that it is in', () => {
  refuses(HeadRequest, hex('0a 05 61'), /5 bytes announced, 1 left/);
  // The range says two bytes; its field says that it goes on into the next one.
  refuses(GetRequest, hex('1a 01 08 05'), /does not end/);
  refuses(GetRequest, hex('1a 05 08 05'), /5 bytes announced, 2 left/);
  // A string within a nested message that would reach into the bytes behind it.
  refuses(BatchFrame, hex('0a 03 32 05 61 7a 03 62 63 64'), /5 bytes announced, 1 left/);
  // A packed number, and an entry of a map.
  refuses(GetBatchRequest, hex('2a 01 80 32 00'), /does not end/);
  refuses(ErrorInfo, hex('1a 02 0a 05 61 61 61 61 61'), /5 bytes announced, 0 left/);
});

test('unknown fields of every wire type are skipped, and so are known ones of a wrong type', () => {
  const unknown = 'a2 06 02 01 02  a0 06 96 01  a1 06 01 02 03 04 05 06 07 08  a5 06 01 02 03 04  a3 06 08 01 a4 06';
  assert.deepEqual(HeadRequest.decode(hex(`0a 01 62 ${unknown} 12 01 6b`)), { bucket: 'b', key: 'k' });
  assert.deepEqual(HeadRequest.decode(hex('08 05 12 01 6b')), { bucket: '', key: 'k' });
  assert.deepEqual(ErrorInfo.decode(hex(`1a 0d 0a 01 61 a2 06 02 01 02 12 01 62 18 01`)).metadata, {
    a: 'b',
    __proto__: null,
  });
});

test('what is no field at all is malformed', () => {
  refuses(HeadRequest, hex('02 00'), /field number 0/);
  refuses(HeadRequest, hex('0e'), /wire type 6/);
  refuses(HeadRequest, hex('0c'), /wire type 4/);
  refuses(HeadRequest, hex('a3 06 08 01'), /./); // a group that does not end
  refuses(HeadRequest, hex('a3 06 a8 06 01 ac 06'), /end group/);
  refuses(HeadRequest, Buffer.alloc(3000, 0x0b), /depth/); // groups in groups
});

test('of a field that comes twice the last counts, and messages are merged', () => {
  assert.equal(HeadRequest.decode(hex('0a 01 61 0a 01 62')).bucket, 'b');
  // Two ranges: {start: 1, end: 2} and {end: 3}.
  assert.deepEqual(GetRequest.decode(hex('1a 04 08 01 10 02  1a 02 10 03')).range, { start: 1, end: 3 });
  const twice = Buffer.concat([
    PutChunk.encode({ header: { key: 'a', size: 1, metadata: { x: '1', y: '1' } }, crc32: 5 }),
    PutChunk.encode({ header: { key: 'b', metadata: { y: '2', z: '2' } } }),
  ]);
  const { header, crc32 } = PutChunk.decode(twice);
  assert.deepEqual(
    [header?.key, header?.size, { ...header?.metadata }, crc32],
    ['b', 1, { x: '1', y: '2', z: '2' }, 5],
  );
  const statuses = Buffer.concat([
    Status.encode({ details: [{ typeUrl: 'a' }] }),
    Status.encode({ details: [{ typeUrl: 'b' }] }),
  ]);
  assert.deepEqual(
    Status.decode(statuses).details.map((detail) => detail.typeUrl),
    ['a', 'b'],
  );
});

test('repeated numbers are read packed, one by one, and mixed', () => {
  assert.deepEqual(BatchEnd.decode(hex('1a 03 01 ac 02 18 07 1a 01 08')).unservedSlots, [1, 300, 7, 8]);
});

test('of a oneof the last stays', () => {
  const both = ServerReflectionRequest.decode(hex('1a 01 61 22 01 62'));
  assert.deepEqual([both.fileByFilename, both.fileContainingSymbol], [undefined, 'b']);
  assert.equal(ServerReflectionRequest.decode(ServerReflectionRequest.encode({ listServices: '' })).listServices, '');
});

test('presence is kept where the .proto file says optional', () => {
  assert.equal(ByteRange.decode(ByteRange.encode({ start: 1 })).end, undefined);
  assert.equal(ByteRange.decode(ByteRange.encode({ start: 1, end: 0 })).end, 0);
  assert.deepEqual(GetRequest.decode(GetRequest.encode({ range: {} })).range, { start: 0, end: undefined });
});

test('an enum keeps a number that it does not know', () => {
  assert.equal(GetBatchRequest.decode(hex('30 07')).order, 7);
  assert.equal(GetBatchRequest.decode(GetBatchRequest.encode({ order: Order.ORDER_STRICT })).order, 2);
});

test('bytes are a view of what was decoded, be it a Buffer or not', () => {
  const bytes = new Uint8Array([0, 0x7a, 2, 1, 2]).subarray(1);
  for (const input of [bytes, Buffer.from(bytes.buffer, 1)]) {
    const { payload } = BatchFrame.decode(input);
    assert.ok(Buffer.isBuffer(payload));
    assert.deepEqual([payload.buffer, payload.byteOffset, payload.length], [bytes.buffer, 3, 2]);
  }
});

test('the names in a map have no meaning to JavaScript', () => {
  const sent = ObjectInfo.encode({ metadata: JSON.parse('{"__proto__":"a","constructor":"b"}') });
  const { metadata } = ObjectInfo.decode(sent);
  assert.equal(Object.getPrototypeOf(metadata), null);
  assert.deepEqual(Object.entries(metadata), [
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
});

test('a field of more items than anybody needs is malformed, however few bytes they take', () => {
  const items = (tag: number, count: number) => Buffer.alloc(count * 2, Buffer.of(tag, 0));
  const most = LIMITS.messageItemsMax;
  assert.equal(GetBatchRequest.decode(items(0x12, most)).keys.length, most);
  const packed = GetBatchRequest.encode({ indices: new Array<number>(most + 1).fill(0) });
  for (const bytes of [items(0x12, most + 1), items(0x1a, most + 1), items(0x28, most + 1), packed]) {
    refuses(GetBatchRequest, bytes, /more than 200000 items/);
  }
  refuses(ErrorInfo, items(0x1a, most + 1), /more than 200000 items/);
});

test('what a field cannot hold is not sent', () => {
  for (const size of [-1, 0.5, Number.NaN, 2 ** 53]) {
    assert.throws(() => ObjectInfo.encode({ size }), { name: 'RangeError', message: `${size} is no uint64` });
    assert.throws(() => GetBatchRequest.encode({ indices: [size] }), RangeError);
  }
  for (const value of [-1, 0.5, Number.NaN, 2 ** 32]) {
    assert.throws(() => ObjectInfo.encode({ crc32: value }), RangeError);
    assert.throws(() => BatchEnd.encode({ ok: value }), RangeError);
    assert.throws(() => BatchEnd.encode({ unservedSlots: [value] }), RangeError);
  }
  assert.throws(() => Timestamp.encode({ nanos: 2 ** 31 }), RangeError);
  assert.throws(() => Timestamp.encode({ seconds: 2 ** 60 }), RangeError);
  assert.throws(() => HeadRequest.encode({ key: 'a\uD800' }), /surrogate/);
  assert.throws(() => ErrorInfo.encode({ metadata: { '\uDC00': 'a' } }), /surrogate/);
});
