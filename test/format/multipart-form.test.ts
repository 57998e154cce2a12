import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ErrorCode } from '../../src/base/errors.ts';
import { GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import { MultipartFormReader, parseBoundary } from '../../src/format/multipart-form.ts';

const TYPE = 'multipart/form-data; boundary=xyz';

interface Form {
  fields: [string, string][];
  filename: string;
  contentType: string | undefined;
  file: Buffer;
}

function read(pieces: readonly Buffer[], type = TYPE): Form {
  const reader = new MultipartFormReader(type);
  const data: Buffer[] = [];
  let form: Form | undefined;
  for (const piece of pieces) {
    reader.push(piece, {
      start(fields, file) {
        assert.equal(form, undefined);
        form = { fields: [...fields], filename: file.filename, contentType: file.contentType, file: Buffer.alloc(0) };
      },
      data(bytes) {
        assert.ok(form !== undefined && bytes.length > 0);
        data.push(Buffer.from(bytes));
      },
    });
  }
  reader.end();
  assert.ok(form !== undefined);
  return { ...form, file: Buffer.concat(data) };
}

const field = (name: string, value: string): string =>
  `--xyz\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const fileHead =
  '--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n';
const form = (fields: string, file: string, end = '\r\n--xyz--\r\n'): Buffer =>
  Buffer.from(fields + fileHead + file + end, 'latin1');

function refuses(run: () => unknown, code: ErrorCode): void {
  assert.throws(run, (error) => error instanceof GatewayError && error.code === code, String(run));
}

describe('browser forms', () => {
  const wire = form(field('Key', 'a\r\n--xy') + field('empty', ''), 'bytes\r\n--xy\r\r\n--xyZ\r');

  it('gives fields in lower case, then the file, at every split', () => {
    const expected: Form = {
      fields: [
        ['key', 'a\r\n--xy'],
        ['empty', ''],
      ],
      filename: 'a.jpg',
      contentType: 'image/jpeg',
      file: Buffer.from('bytes\r\n--xy\r\r\n--xyZ\r'),
    };
    for (let first = 0; first <= wire.length; first += 1) {
      const second = Math.min(wire.length, first + 7);
      assert.deepEqual(read([wire.subarray(0, first), wire.subarray(first, second), wire.subarray(second)]), expected);
    }
    assert.deepEqual(read(Array.from(wire, (byte) => Buffer.from([byte]))), expected);
  });

  it('brings any file through any cuts', () => {
    const piece = fc.constantFrom('\r', '\n', '\r\n', '--', 'xyz', '\r\n--', '\r\n--xy', '-', 'z', '\0', '\xff');
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.array(fc.nat({ max: 200 }), { maxLength: 6 }),
        (pieces, cuts) => {
          const file = pieces.join('').replaceAll('\r\n--xyz', '');
          const body = form(field('key', 'k'), file.includes('\r\n--xyz') ? '' : file);
          const points = [0, ...cuts.filter((cut) => cut < body.length).sort((a, b) => a - b), body.length];
          const split = points.slice(1).map((point, i) => body.subarray(points[i], point));
          assert.equal(read(split).file.toString('latin1'), file.includes('\r\n--xyz') ? '' : file);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('hands out views of what came', () => {
    const reader = new MultipartFormReader(TYPE);
    const body = form('', 'x'.repeat(100));
    reader.push(body, { start() {}, data: (bytes) => assert.equal(bytes.buffer, body.buffer) });
    reader.end();
  });

  it('ignores a preamble, other headers and everything after the file', () => {
    const body = Buffer.concat([
      Buffer.from('preamble\r\n'),
      form('', 'f', `\r\n${field('late', 'x')}--xyz--`),
      Buffer.from('more'),
    ]);
    const got = read([body]);
    assert.deepEqual([got.fields, got.file.toString()], [[], 'f']);
  });

  it('reads names that are quoted, bare or escaped, and drops folders from file names', () => {
    const head = (disposition: string): Form =>
      read([Buffer.from(`--xyz\r\ncontent-disposition:form-data${disposition}\r\n\r\nf\r\n--xyz--`)]);
    assert.equal(head('; name=file').filename, '');
    assert.equal(head('; name="file"; filename="C:\\dir\\a b.jpg"').filename, 'a b.jpg');
    assert.equal(head('; filename="/x/%22é\\".jpg"; name="file"').filename, '"é".jpg');
    assert.equal(head('; filename="; name=key"; name="FILE"').filename, '; name=key');
  });

  it('takes every field that is not named file as a field, with a file name or without', () => {
    const body = Buffer.from(
      `--xyz\r\nContent-Disposition: form-data; name="key"; filename="key"\r\n\r\nk\r\n${fileHead}f\r\n--xyz--`,
    );
    assert.deepEqual(read([body]).fields, [['key', 'k']]);
  });

  it('is refused when it is cut anywhere before the end of its boundary', () => {
    for (let length = 0; length < wire.length - 2; length += 1)
      refuses(() => read([wire.subarray(0, length)]), 'IncompleteBody');
  });

  it('bounds what comes before the file', () => {
    const room = LIMITS.formFieldBytesMax - 2 - field('key', '').length - fileHead.length;
    assert.equal(read([form(field('key', 'k'.repeat(room)), 'f')]).file.toString(), 'f');
    const tooLong = form(field('key', 'k'.repeat(room + 1)), 'f');
    refuses(() => read([tooLong]), 'MaxMessageLengthExceeded');
    refuses(() => read(Array.from(tooLong, (byte) => Buffer.from([byte]))), 'MaxMessageLengthExceeded');
  });

  it('refuses what is not a form', () => {
    refuses(() => read([Buffer.from(`${field('key', 'k')}--xyz--`)]), 'InvalidArgument');
    refuses(() => read([Buffer.from(field('key', 'k') + field('KEY', 'k') + fileHead)]), 'InvalidArgument');
    refuses(() => read([Buffer.from('--xyzz\r\n')]), 'MalformedPOSTRequest');
    refuses(() => read([Buffer.from('--xyz\r\nContent-Type: x\r\n\r\n')]), 'MalformedPOSTRequest');
    refuses(
      () => read([Buffer.from('--xyz\r\nContent-Disposition: form-data; filename="x"\r\n\r\n')]),
      'MalformedPOSTRequest',
    );
    refuses(
      () => read([Buffer.from('--xyz\r\nContent-Disposition: attachment; name="x"\r\n\r\n')]),
      'MalformedPOSTRequest',
    );
    refuses(() => read([form('', 'f', '\r\n--xyzzz')]), 'MalformedPOSTRequest');
  });

  it('lets the sink refuse before the first byte of the file', () => {
    const reader = new MultipartFormReader(TYPE);
    const sink = {
      start(): void {
        throw new GatewayError('AccessDenied');
      },
      data: (): void => assert.fail('data after a refusal'),
    };
    refuses(() => reader.push(form('', 'f'), sink), 'AccessDenied');
  });
});

describe('the boundary', () => {
  it('is read from Content-Type, quoted or not', () => {
    assert.equal(
      parseBoundary('multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW'),
      '----WebKitFormBoundary7MA4YWxkTrZu0gW',
    );
    assert.equal(parseBoundary('Multipart/Form-Data;charset=utf-8; Boundary="a b:c" ; x=y'), 'a b:c');
  });

  for (const type of [
    '',
    'text/plain',
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=a b',
    'multipart/mixed; boundary=a',
    `multipart/form-data; boundary=${'x'.repeat(71)}`,
  ]) {
    it(`is not in "${type.slice(0, 50)}"`, () => refuses(() => parseBoundary(type), 'MalformedPOSTRequest'));
  }
});
