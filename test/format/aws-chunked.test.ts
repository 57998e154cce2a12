import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/base/errors.ts';
import { LIMITS } from '../../src/base/limits.ts';
import type { ChunkedOptions } from '../../src/format/aws-chunked.ts';
import { AwsChunkedDecoder } from '../../src/format/aws-chunked.ts';
import { deriveSigningKey } from '../../src/format/sigv4-key.ts';

// The account, date and seeds of the examples that AWS publishes.
const DATE = '20130524T000000Z';
const SCOPE = '20130524/us-east-1/s3/aws4_request';
const signingKey = deriveSigningKey('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', '20130524', 'us-east-1');
const signerFrom = (signature: string) => ({ signingKey, date: DATE, scope: SCOPE, signature });
const SEED = '0'.repeat(64);
const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
const CRC32 = 'x-amz-checksum-crc32';

interface Decoded {
  readonly body: Buffer;
  readonly trailers: Record<string, string>;
}

function decode(pieces: readonly Buffer[], options: ChunkedOptions): Decoded {
  const decoder = new AwsChunkedDecoder(options);
  const out: Buffer[] = [];
  for (const piece of pieces) decoder.push(piece, (data) => out.push(Buffer.from(data)));
  decoder.end();
  return { body: Buffer.concat(out), trailers: Object.fromEntries(decoder.trailers) };
}

interface Layout {
  readonly signed: boolean;
  readonly trailer?: string;
  /** End of a trailer line: the MinIO client writes a bare LF and then an empty line. */
  readonly trailerEnd?: string;
}

/** Frames a body as clients do. */
function encode(chunks: readonly Buffer[], { signed, trailer, trailerEnd = '\r\n' }: Layout): Buffer {
  let previous = SEED;
  const extension = (data: Buffer): string => {
    if (!signed) return '';
    previous = signingKey.sign(
      `AWS4-HMAC-SHA256-PAYLOAD\n${DATE}\n${SCOPE}\n${previous}\n${sha256('')}\n${sha256(data)}`,
    );
    return `;chunk-signature=${previous}`;
  };
  const parts: Buffer[] = [];
  for (const data of chunks) {
    parts.push(Buffer.from(`${data.length.toString(16)}${extension(data)}\r\n`), data, Buffer.from('\r\n'));
  }
  let last = `0${extension(Buffer.alloc(0))}\r\n`;
  if (trailer !== undefined) {
    last += `${CRC32}:${trailer}${trailerEnd}`;
    const digest = sha256(`${CRC32}:${trailer}\n`);
    const signature = signingKey.sign(`AWS4-HMAC-SHA256-TRAILER\n${DATE}\n${SCOPE}\n${previous}\n${digest}`);
    if (signed) last += `x-amz-trailer-signature:${signature}\r\n`;
  }
  parts.push(Buffer.from(`${last}\r\n`));
  return Buffer.concat(parts);
}

function optionsFor(layout: Layout, decodedLength: number): ChunkedOptions {
  const trailerNames = layout.trailer === undefined ? [] : [CRC32];
  return layout.signed ? { decodedLength, trailerNames, signer: signerFrom(SEED) } : { decodedLength, trailerNames };
}

const CHUNKS = [Buffer.from('a piece of an image'), Buffer.from('\r\n0\r\n\r\n'), Buffer.from('z')];
const BODY = Buffer.concat(CHUNKS);
const LAYOUTS: [string, Layout][] = [
  ['signed', { signed: true }],
  ['signed with a trailer', { signed: true, trailer: 'sOO8/Q==' }],
  ['unsigned with a trailer', { signed: false, trailer: 'sOO8/Q==' }],
  ['signed with a trailer of the MinIO client', { signed: true, trailer: 'sOO8/Q==', trailerEnd: '\n\r\n' }],
  ['unsigned with a trailer of the MinIO client', { signed: false, trailer: 'sOO8/Q==', trailerEnd: '\n\r\n' }],
];

describe('the published examples', () => {
  const data = Buffer.alloc(66560, 'a');

  it('decodes the chunked upload', () => {
    const signatures = [
      'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
      '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
      'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
    ];
    const wire = Buffer.concat([
      Buffer.from(`10000;chunk-signature=${signatures[0]}\r\n`),
      data.subarray(0, 65536),
      Buffer.from(`\r\n400;chunk-signature=${signatures[1]}\r\n`),
      data.subarray(65536),
      Buffer.from(`\r\n0;chunk-signature=${signatures[2]}\r\n\r\n`),
    ]);
    assert.equal(wire.length, 66824);
    const signer = signerFrom('4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9');
    assert.ok(decode([wire], { decodedLength: 66560, trailerNames: [], signer }).body.equals(data));
  });

  it('decodes the chunked upload with a trailer', () => {
    const wire = Buffer.concat([
      Buffer.from('10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n'),
      data.subarray(0, 65536),
      Buffer.from('\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n'),
      data.subarray(65536),
      Buffer.from('\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n'),
      Buffer.from('x-amz-checksum-crc32c:sOO8/Q==\r\n'),
      Buffer.from('x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n'),
    ]);
    const signer = signerFrom('106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e');
    const options = { decodedLength: 66560, trailerNames: ['x-amz-checksum-crc32c'], signer };
    const decoded = decode([wire], options);
    assert.ok(decoded.body.equals(data));
    assert.deepEqual(decoded.trailers, { 'x-amz-checksum-crc32c': 'sOO8/Q==' });
  });
});

for (const [name, layout] of LAYOUTS) {
  describe(`a body that is ${name}`, () => {
    const wire = encode(CHUNKS, layout);
    const options = optionsFor(layout, BODY.length);
    const trailers = layout.trailer === undefined ? {} : { [CRC32]: layout.trailer };

    it('decodes the same at every split', () => {
      for (let first = 0; first <= wire.length; first += 1) {
        for (const second of [first, first + 1, Math.floor((first + wire.length) / 2)]) {
          const pieces = [
            wire.subarray(0, first),
            wire.subarray(first, second),
            wire.subarray(Math.max(first, second)),
          ];
          assert.deepEqual(decode(pieces, options), { body: BODY, trailers });
        }
      }
      assert.deepEqual(
        decode(
          Array.from(wire, (byte) => Buffer.from([byte])),
          options,
        ),
        { body: BODY, trailers },
      );
    });

    it('is refused when cut anywhere but before its last CRLF', () => {
      const surplus = wire.toString('latin1').endsWith('\r\n\r\n\r\n') || layout.trailerEnd === '\n\r\n' ? 2 : 0;
      const shortest = wire.length - 2 - (layout.signed ? 0 : surplus);
      for (let length = 0; length < wire.length; length += 1) {
        const run = (): Decoded => decode([wire.subarray(0, length)], options);
        if (length < shortest) assert.throws(run, GatewayError, `cut at ${length}`);
        else assert.deepEqual(run(), { body: BODY, trailers });
      }
    });

    it('is refused, or decodes to the same, after a flip of any bit', () => {
      let harmless = 0;
      for (let bit = 0; bit < wire.length * 8; bit += 1) {
        const flipped = Buffer.from(wire);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        try {
          const decoded = decode([flipped], options);
          if (layout.signed) assert.deepEqual(decoded, { body: BODY, trailers }, `bit ${bit}`);
          else assert.equal(decoded.body.length, BODY.length);
          harmless += 1;
        } catch (error) {
          assert.ok(error instanceof GatewayError, String(error));
        }
      }
      // Of a signed body only these go unseen: the case of a hex digit in a size, and the line end after a trailer.
      if (layout.signed) assert.ok(harmless <= 2, `${harmless} flips went unseen`);
    });

    it('is refused when it is longer or shorter than announced', () => {
      for (const off of [-1, 1])
        assert.throws(() => decode([wire], { ...options, decodedLength: BODY.length + off }), GatewayError);
    });

    it('is refused when bytes follow its end', () => {
      for (const tail of ['x', '\r\n\r\nx', '\n'])
        assert.throws(() => decode([wire, Buffer.from(tail)], options), GatewayError);
    });
  });
}

describe('the decoder', () => {
  const refuses = (wire: string, options: ChunkedOptions, code: string, message: RegExp): void => {
    assert.throws(
      () => decode([Buffer.from(wire)], options),
      (error) => {
        assert.ok(error instanceof GatewayError);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      },
    );
  };
  const unsigned = { decodedLength: 3, trailerNames: [] };
  const withTrailer = { decodedLength: 0, trailerNames: [CRC32] };

  it('decodes any chunks over any pieces, without copying', () => {
    const body = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 });
    fc.assert(
      fc.property(body, fc.boolean(), fc.array(fc.nat({ max: 300 }), { maxLength: 8 }), (arrays, signed, cuts) => {
        const chunks = arrays.map((array) => Buffer.from(array));
        const layout = { signed, trailer: 'AAAAAA==' };
        const wire = encode(chunks, layout);
        const points = [0, ...cuts.filter((cut) => cut < wire.length).sort((a, b) => a - b), wire.length];
        const expected = Buffer.concat(chunks);
        const decoder = new AwsChunkedDecoder(optionsFor(layout, expected.length));
        let at = 0;
        for (let i = 1; i < points.length; i += 1) {
          decoder.push(wire.subarray(points[i - 1], points[i]), (data) => {
            assert.equal(data.buffer, wire.buffer);
            assert.ok(data.equals(expected.subarray(at, at + data.length)));
            at += data.length;
          });
        }
        decoder.end();
        assert.equal(at, expected.length);
      }),
    );
  });

  it('takes sizes in either case and with leading zeros', () => {
    const body = Buffer.alloc(10, 'x');
    assert.ok(
      decode([Buffer.from(`000A\r\n${body}\r\n00\r\n\r\n`)], { decodedLength: 10, trailerNames: [] }).body.equals(body),
    );
  });

  it('refuses what is not a size line', () => {
    for (const size of ['', 'g', '-1', '0x3', ' 3', '3 ', '+3', '1'.repeat(17)]) {
      refuses(`${size}\r\nabc\r\n0\r\n\r\n`, unsigned, 'InvalidRequest', /chunk size/);
    }
    refuses('3\nabc\r\n0\r\n\r\n', unsigned, 'InvalidRequest', /CRLF/);
    refuses('3;x=y\r\nabc\r\n0\r\n\r\n', unsigned, 'InvalidRequest', /extension/);
    refuses('3\r\nabcd\r\n0\r\n\r\n', unsigned, 'InvalidRequest', /longer than its size/);
    refuses('3\r\nabc\r\n0\r\n\r\n', { ...unsigned, signer: signerFrom(SEED) }, 'InvalidRequest', /chunk-signature/);
    refuses(`3${'0'.repeat(300)}`, unsigned, 'InvalidRequest', /too long/);
    refuses('ffffffffffffffff\r\n', unsigned, 'IncompleteBody', /decoded-content-length/);
  });

  it('names a wrong signature', () => {
    const wire = encode(CHUNKS, { signed: true });
    refuses(
      wire.toString('latin1'),
      { decodedLength: BODY.length, trailerNames: [], signer: signerFrom('1'.repeat(64)) },
      'SignatureDoesNotMatch',
      /chunk/,
    );
  });

  it('wants the trailers that were announced, once, and no other', () => {
    refuses('0\r\n\r\n', withTrailer, 'InvalidRequest', /did not come/);
    refuses('0\r\n', withTrailer, 'InvalidRequest', /did not come/);
    refuses('0\r\nx-other:1\r\n\r\n', withTrailer, 'InvalidRequest', /not announced/);
    refuses('0\r\nno colon\r\n\r\n', withTrailer, 'InvalidRequest', /not announced/);
    refuses(`0\r\n${CRC32}:a\r\n${CRC32}:b\r\n\r\n`, withTrailer, 'InvalidRequest', /twice/);
    refuses(`0\r\n${CRC32}:AAAA`, withTrailer, 'IncompleteBody', /middle/);
    assert.deepEqual(decode([Buffer.from(`0\r\nX-Amz-Checksum-CRC32: a \r\n\r\n`)], withTrailer).trailers, {
      [CRC32]: 'a',
    });
  });

  it('bounds the trailer', () => {
    const names = Array.from({ length: 40 }, (_, i) => `x-amz-meta-${i}`);
    const lines = names.map((name) => `${name}:${'v'.repeat(200)}\r\n`).join('');
    assert.ok(lines.length > LIMITS.chunkTrailerBytesMax);
    refuses(`0\r\n${lines}\r\n`, { decodedLength: 0, trailerNames: names }, 'InvalidRequest', /trailer is too long/);
  });

  it('wants the signature of a signed trailer, last', () => {
    const options = { ...withTrailer, signer: signerFrom(SEED) };
    const wire = encode([], { signed: true, trailer: 'a' }).toString('latin1');
    assert.deepEqual(decode([Buffer.from(wire)], options).trailers, { [CRC32]: 'a' });
    refuses(wire.replace(/x-amz-trailer-signature.*\r\n/, ''), options, 'InvalidRequest', /no x-amz-trailer-signature/);
    refuses(wire.replace(`${CRC32}:a`, `${CRC32}:b`), options, 'SignatureDoesNotMatch', /trailer/);
    refuses(`${wire.slice(0, -2)}${CRC32}:b\r\n\r\n`, options, 'InvalidRequest', /follows the signature/);
  });
});
