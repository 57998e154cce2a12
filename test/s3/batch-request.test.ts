/** What a body of GetBatch may say, and what is said of one that may not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import type { BucketName } from '../../src/base/names.ts';
import { type BatchRequest, parseBatch } from '../../src/fronts/s3/batch-request.ts';

const bucket = 'images' as BucketName;

function parse(body: unknown): BatchRequest {
  return parseBatch(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), bucket);
}

function messageOf(body: string | Buffer): string {
  try {
    parseBatch(Buffer.from(body), bucket);
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.code, 'InvalidArgument');
    assert.ok(error.message.length < 300, error.message);
    return error.message;
  }
  throw new Error(`${body.toString().slice(0, 100)} was taken`);
}

test('keys come as a list, in an object, or as references', () => {
  const refs = [
    { bucket, key: 'a' },
    { bucket, key: 'b' },
    { bucket, key: 'a' },
  ];
  assert.deepEqual(parse(['a', 'b', 'a']), { refs, order: 'completion', next: [] });
  assert.deepEqual(parse({ keys: ['a', 'b', 'a'] }), { refs, order: 'completion', next: [] });
  assert.deepEqual(parse({ objects: refs.map(({ key }) => ({ key })), order: 'strict', next: ['c'] }), {
    refs,
    order: 'strict',
    next: [{ bucket, key: 'c' }],
  });
});

test('references name buckets and ranges', () => {
  const { refs } = parse({
    objects: [
      { key: 'a', bucket: 'labels' },
      { key: 'a', start: 5 },
      { key: 'a', end: 5 },
      { key: 'a', start: 1, end: 2, bucket: 'images' },
    ],
  });
  assert.deepEqual(refs, [
    { bucket: 'labels', key: 'a' },
    { bucket, key: 'a', range: { start: 5 } },
    { bucket, key: 'a', range: { start: 0, end: 5 } },
    { bucket, key: 'a', range: { start: 1, end: 2 } },
  ]);
});

test('a body that is not as it should be is refused with what and where', () => {
  const cases: [string | Buffer, RegExp][] = [
    ['{"keys": [', /^The body is not JSON: /],
    ['keys', /^The body is not JSON: /],
    [Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]), /not UTF-8/],
    ['\ufeff[]', /not JSON/],
    ['"a"', /^The body is "a"; expected an object/],
    ['null', /^The body is null/],
    ['{}', /either "keys" or "objects"/],
    ['{"keys":["a"],"objects":[{"key":"a"}]}', /either "keys" or "objects"/],
    ['{"keys":["a"],"buckets":1}', /member "buckets"; keys, objects, order, next are known/],
    ['{"keys":["a"],"__proto__":{}}', /member "__proto__"/],
    ['[]', /^keys has 0 elements; 1 to 100,000 objects are allowed/],
    ['{"keys":[]}', /^keys has 0 elements/],
    ['{"keys":"a"}', /^keys is "a"; expected a list/],
    ['{"objects":{"key":"a"}}', /^objects is an object; expected a list/],
    ['["a",7]', /^keys\[1\] is 7; expected a key/],
    ['["a",""]', /^keys\[1\]: The key is empty/],
    [JSON.stringify(['k'.repeat(1025)]), /^keys\[0\]: The key has 1025 bytes/],
    ['["\\ud800"]', /^keys\[0\]: The key is not well-formed/],
    ['{"objects":["a"]}', /^objects\[0\] is "a"; expected an object/],
    ['{"objects":[{}]}', /^objects\[0\]\.key is missing; expected a key/],
    [
      '{"objects":[{"key":"a","offset":1}]}',
      /^objects\[0\] has the member "offset"; key, bucket, start, end are known/,
    ],
    ['{"objects":[{"key":"a","bucket":7}]}', /^objects\[0\]\.bucket is 7/],
    ['{"objects":[{"key":"a","bucket":"No_Bucket"}]}', /^objects\[0\]\.bucket: Bucket name "No_Bucket" is not valid/],
    ['{"objects":[{"key":"a","start":-1}]}', /^objects\[0\]\.start is -1/],
    ['{"objects":[{"key":"a","start":1.5}]}', /^objects\[0\]\.start is 1.5/],
    ['{"objects":[{"key":"a","start":"1"}]}', /^objects\[0\]\.start is "1"/],
    ['{"objects":[{"key":"a","start":null}]}', /^objects\[0\]\.start is null/],
    ['{"objects":[{"key":"a","end":1e300}]}', /^objects\[0\]\.end is 1e\+300/],
    ['{"objects":[{"key":"a","start":5,"end":5}]}', /^objects\[0\]: end is 5 and start 5/],
    ['{"keys":["a"],"order":"random"}', /^order is "random"; "completion" and "strict" are known/],
    ['{"keys":["a"],"next":"b"}', /^next is "b"; expected a list/],
    ['{"keys":["a"],"next":[""]}', /^next\[0\]: The key is empty/],
  ];
  for (const [body, message] of cases) assert.match(messageOf(body), message);
});

test('the largest list is taken, and one more is not', () => {
  const keys = Array.from({ length: LIMITS.batchRefsMax }, (_, i) => `",,,,,,,,[{${i}\\`);
  const objects = keys.map((key, i) => ({ key, bucket: 'labels', start: i, end: i + 1 }));
  assert.equal(parse({ objects, order: 'strict', next: keys }).refs.length, LIMITS.batchRefsMax);
  assert.match(messageOf(JSON.stringify([...keys, 'k'])), /keys has 100001 elements/);
});

test('a body that would be large in memory is refused before it is', () => {
  assert.match(messageOf(`[${'{},'.repeat(1_000_000)}{}]`), /too many elements/);
  assert.match(messageOf(`${'['.repeat(1_000_000)}`), /too many elements/);
  assert.match(messageOf(`${'['.repeat(600_000)}${']'.repeat(600_000)}`), /^keys\[0\] is a list/);
});

test('any JSON is taken or refused, and never anything else', () => {
  const like = fc.letrec((tie) => ({
    value: fc.oneof(
      fc.constantFrom(null, true, 0, -1, 1e21, 'a', '', '..', '\ud800', [], {}),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom('keys', 'objects', 'order', 'next', 'key', 'bucket', 'start', 'end', '"\\'),
        tie('value'),
        {
          maxKeys: 3,
        },
      ),
    ),
  })).value;
  const cut = fc.tuple(fc.json(), fc.nat(), fc.nat(255)).map(([text, at, byte]) => {
    const bytes = Buffer.from(text);
    bytes[at % bytes.length] = byte;
    return bytes;
  });
  const body = fc.oneof(
    like.map((value) => Buffer.from(JSON.stringify(value))),
    cut,
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(body, (bytes) => {
      try {
        assert.ok(parseBatch(bytes, bucket).refs.length > 0);
      } catch (error) {
        assert.ok(error instanceof GatewayError && error.code === 'InvalidArgument', String(error));
      }
    }),
    { numRuns: 3000 },
  );
});
