/**
 * The bytes of our own layouts, as they were when the first objects were stored: they must be read for ever. What zstd, OpenJPH and CharLS make of
 * the same input may change with their versions, so what is written today is held to these bytes only as far as it is ours.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type Codecs, loadCodecs } from '../../src/codec/codecs.ts';
import { bodyOf, htj2kStream, jpegLsStream, writeStream } from '../../src/codec/codestream-heads.ts';
import { CODEC, type CodecNumber, type Shape } from '../../src/codec/plane-codec.ts';

let codecs: Codecs;
before(async () => {
  codecs = await loadCodecs();
});

const GRAY: Shape = {
  width: 6,
  height: 4,
  bytesPerSample: 2,
  samples: 1,
  isPlanar: false,
  isSigned: false,
  isBigEndian: false,
};
const SIGNED: Shape = { ...GRAY, isSigned: true, isBigEndian: true };
const COLOUR: Shape = { ...GRAY, width: 4, height: 3, bytesPerSample: 1, samples: 3 };

function gray(): Buffer {
  const bytes = Buffer.alloc(48);
  for (let at = 0; at < 24; at += 1) bytes.writeUInt16LE(1000 + (at % 6) * 3 + Math.floor(at / 6) * 300, at * 2);
  return bytes;
}

function signed(): Buffer {
  const bytes = Buffer.alloc(48);
  for (let at = 0; at < 24; at += 1) bytes.writeInt16BE((at % 6) * 5 - 12, at * 2);
  return bytes;
}

function colour(): Buffer {
  const bytes = Buffer.alloc(36);
  for (let at = 0; at < 12; at += 1) bytes.set([at * 20 + 5, at * 20, at * 20 + 1], at * 3);
  return bytes;
}

const FLAT: Shape = { ...GRAY, width: 30, height: 12, isSigned: true };

/** Two rectangles, one of one value, on a ground of one value: runs that end at a line, at a change, and at a change of what stands above. */
function flat(): Buffer {
  const bytes = Buffer.alloc(720);
  for (let y = 3; y < 9; y += 1)
    for (let x = 8; x < 20; x += 1) bytes.writeInt16LE(x < 14 ? 500 : -70 - y, (y * 30 + x) * 2);
  return bytes;
}

const MADE: readonly (readonly [string, CodecNumber, Shape, () => Buffer, string])[] = [
  [
    'shuffled words',
    CODEC.shuffle,
    GRAY,
    gray,
    '28b52ffd20305501001402e8ebeef1f4f714171a1d2023404346494c4f6c6f7275787b03050607070707070703140002721b03',
  ],
  [
    'residuals of words',
    CODEC.med,
    GRAY,
    gray,
    '00011618002c28b52ffd20186d000038688383838383ac0100998b1128b52ffd20186d000038040000000000010100998b11',
  ],
  [
    'residuals of signed words, the high byte first',
    CODEC.med,
    SIGNED,
    signed,
    '00011618002728b52ffd20186d00003874858585858580010033300228b52ffd201845000010800001000ac002',
  ],
  [
    'residuals of flat regions',
    CODEC.med,
    FLAT,
    flat,
    '000116e802005828b52ffd6068009501000402808074804380c9807f8081807f8081807f8081807f8081807f8081808c80ce8010500200872b061a68a081061a414f0128b52ffd6068009500004080000200fe00fe00045002008da6c8ea29',
  ],
  [
    'residuals of colour',
    CODEC.med,
    COLOUR,
    colour,
    '0101160c1528b52ffd200c61000005808080808080808080808001160c1528b52ffd200c61000080949494d0949494d094949401160c1528b52ffd200c610000018080808080808080808080',
  ],
  [
    'a codestream of HTJ2K',
    CODEC.htj2k,
    GRAY,
    gray,
    '00e8030a27000000e32bb6eac009c05b83fe00623400a002704425ea00a23400c009200550e4ab7300565ab1f2001080775600',
  ],
  [
    'codestreams of JPEG-LS of colour',
    CODEC.jpegls,
    COLOUR,
    colour,
    '01850000000008140000004d7e2e3f801c01c01c0000067c008580080000033e509160810000',
  ],
];

for (const [name, number, shape, make, golden] of MADE) {
  test(`${name} are read as they were written first, and written so today`, () => {
    const bytes = make();
    const into = Buffer.alloc(bytes.length, 0x5a);
    codecs.byNumber(number).decode(Buffer.from(golden, 'hex'), shape, into, undefined);
    assert.equal(into.toString('hex'), bytes.toString('hex'));
    assert.equal(codecs.byNumber(number).encode(bytes, shape, undefined)?.toString('hex'), golden);
  });
}

describe('heads of codestreams', () => {
  test('of JPEG-LS name size and depth, and the presets that go with deep samples', () => {
    const head = jpegLsStream({ width: 640, height: 480, bits: 12 }).head(99);
    assert.equal(head.toString('hex'), 'ffd8fff7000b0c01e0028001011100ffda0008010100000000');
    const deep = jpegLsStream({ width: 640, height: 480, bits: 16 }).head(99);
    assert.equal(
      deep.toString('hex'),
      'ffd8fff7000b1001e0028001011100fff8000d01ffff0012004301140040ffda0008010100000000',
    );
  });

  test('of HTJ2K name size, depth and sub-bands, and how long their tile is', () => {
    const head = htj2kStream({ width: 100, height: 70, bits: 12 }).head(0x2ca);
    assert.equal(
      head.toString('hex'),
      'ff4fff510029400000000064000000460000000000000000000000640000004600000000000000000001' +
        '0b0101ff50000800020000' +
        '0006ff52000c00020001000504044001ff5c00132068707070707070707070707070686868ff90000a0000000002d80001ff93',
    );
  });

  test('come off and on again without a loss, and a comment with them', () => {
    const codestream = htj2kStream({ width: 9, height: 9, bits: 8 });
    const body = Buffer.from('what the coder made');
    const head = codestream.head(body.length);
    const whole = Buffer.alloc(head.length + body.length + 2);
    writeStream(codestream, body, whole);
    assert.deepEqual(bodyOf(whole, codestream), body);
    const at = codestream.commentAt ?? 0;
    const comment = Buffer.from('ff64000700014142' + '43', 'hex');
    assert.deepEqual(bodyOf(Buffer.concat([whole.subarray(0, at), comment, whole.subarray(at)]), codestream), body);
  });

  test('that are not those that would be written anew are refused', () => {
    const codestream = jpegLsStream({ width: 9, height: 9, bits: 8 });
    const whole = Buffer.alloc(25 + 10 + 2);
    writeStream(codestream, Buffer.alloc(10, 3), whole);
    assert.equal(bodyOf(whole, codestream)?.length, 10);
    for (let at = 0; at < whole.length; at += 1) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 1;
      assert.equal(bodyOf(changed, codestream) === undefined, at < 25 || at >= 35, `byte ${at}`);
    }
    assert.equal(bodyOf(whole.subarray(0, 26), codestream), undefined);
  });
});
