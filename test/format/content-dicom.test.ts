/** DICOM from its bytes: every encoding, where the pixels lie, and files that are not what they say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { LIMITS } from '../../src/base/limits.ts';
import { CONTENT_CLASS, type Content, type PixelLayout } from '../../src/format/content.ts';
import { detectBeginning, detectContent } from '../../src/format/content-detect.ts';
import { ElementWalk } from '../../src/format/content-dicom-elements.ts';
import {
  BIG_ENDIAN,
  type Encoding,
  EXPLICIT,
  element,
  file,
  fragments,
  IMPLICIT,
  type ImageFields,
  imageHeader,
  meta,
  SERIES,
  SYNTAX,
  sequence,
  short,
  text,
} from './dicom-bytes.ts';

const PIXELS = 0x7fe0_0010;

function pixels(how: Encoding, bytes: number, vr = 'OW'): Buffer {
  return element(how, PIXELS, vr, Buffer.alloc(bytes, 7));
}

/** A file of one image, explicit little endian. */
function image(fields: ImageFields, pixelBytes: number): Buffer {
  return file(SYNTAX.explicit, imageHeader(EXPLICIT, fields), pixels(EXPLICIT, pixelBytes));
}

/** The layout that is expected at `offset`: one frame of 3 lines of 4 samples of 16 bits but for `fields`. */
function layout(offset: number, fields: Partial<PixelLayout> = {}): PixelLayout {
  return {
    offset,
    width: 4,
    height: 3,
    frames: 1,
    bytesPerSample: 2,
    samples: 1,
    isPlanar: false,
    isSigned: false,
    isFloat: false,
    isBigEndian: false,
    ...fields,
  };
}

function assertImage(bytes: Buffer, pixelBytes: number, fields: Partial<PixelLayout> = {}): Content {
  const content = detectContent(bytes);
  const offset = bytes.length - pixelBytes;
  assert.deepEqual(content.pixels, layout(offset, fields));
  assert.equal(content.headerLength, offset);
  assert.equal(content.series, SERIES);
  assert.equal(content.isCompressed, false);
  return content;
}

test('pixels are found in every native encoding, with and without preamble, prefix and meta header', () => {
  const encodings = [
    [SYNTAX.implicit, IMPLICIT],
    [SYNTAX.explicit, EXPLICIT],
    [SYNTAX.bigEndian, BIG_ENDIAN],
  ] as const;
  for (const [syntax, how] of encodings) {
    const dataSet = Buffer.concat([imageHeader(how), pixels(how, 24)]);
    const before = [Buffer.alloc(128), Buffer.from('DICM'), meta(syntax)];
    for (const from of [0, 1, 2, 3]) {
      const bytes = Buffer.concat([...before.slice(from), dataSet]);
      const content = assertImage(bytes, 24, { isBigEndian: how.isBigEndian });
      assert.equal(content.class, CONTENT_CLASS.ct, `${syntax} without the first ${from}`);
    }
  }
});

test('a preamble may look like TIFF, or like JPEG', () => {
  for (const preamble of ['II*\0', '\xff\xd8\xff\xe0']) {
    const bytes = image({}, 24);
    bytes.write(preamble, 0, 'latin1');
    assertImage(bytes, 24);
  }
});

test('bytes are believed before the transfer syntax', () => {
  assertImage(file(SYNTAX.explicit, imageHeader(IMPLICIT), pixels(IMPLICIT, 24)), 24);
  assertImage(file(SYNTAX.implicit, imageHeader(EXPLICIT), pixels(EXPLICIT, 24)), 24);
  assertImage(file(SYNTAX.bigEndian, imageHeader(EXPLICIT), pixels(EXPLICIT, 24)), 24);
  assertImage(file(SYNTAX.explicit, imageHeader(BIG_ENDIAN), pixels(BIG_ENDIAN, 24)), 24, { isBigEndian: true });
  assertImage(file(SYNTAX.bigEndianPixels, imageHeader(IMPLICIT), pixels(IMPLICIT, 24)), 24, { isBigEndian: true });
});

test('the modality is the class', () => {
  const expected: Record<string, number> = { CT: CONTENT_CLASS.ct, MR: CONTENT_CLASS.mr, PT: CONTENT_CLASS.pt };
  for (const modality of ['CR', 'DX', 'MG', 'XA', 'RF', 'IO', 'PX']) expected[modality] = CONTENT_CLASS.xray;
  for (const modality of ['US', 'IVUS']) expected[modality] = CONTENT_CLASS.us;
  for (const modality of ['NM', 'OT', 'RTDOSE', 'SM', '']) expected[modality] = CONTENT_CLASS.image;
  for (const [modality, contentClass] of Object.entries(expected)) {
    assert.equal(assertImage(image({ modality }, 24), 24).class, contentClass, modality);
  }
});

test('samples: 8, 16, 32 and 64 bits, with a sign, as colours, as indexes of a palette', () => {
  assertImage(image({ bits: 8 }, 12), 12, { bytesPerSample: 1 });
  assertImage(image({ isSigned: true }, 24), 24, { isSigned: true });
  assertImage(image({ bits: 32, modality: 'RTDOSE', frames: '2' }, 96), 96, { bytesPerSample: 4, frames: 2 });
  assertImage(image({ bits: 64 }, 96), 96, { bytesPerSample: 8 });
  assertImage(image({ bits: 8, samples: 3, planar: 0 }, 36), 36, { bytesPerSample: 1, samples: 3 });
  assertImage(image({ bits: 8, samples: 3, planar: 1 }, 36), 36, { bytesPerSample: 1, samples: 3, isPlanar: true });
  assertImage(image({ bits: 16, samples: 3 }, 72), 72, { samples: 3 });
  assertImage(image({ planar: 1 }, 24), 24);
  const full = { bits: 8, samples: 3, photometric: 'YBR_FULL' };
  assertImage(image(full, 36), 36, { bytesPerSample: 1, samples: 3 });
  assertImage(image({ bits: 8, photometric: 'PALETTE COLOR' }, 12), 12, { bytesPerSample: 1 });
});

test('pixels of floating point numbers have elements of their own', () => {
  const header = imageHeader(EXPLICIT, { bits: 32 });
  const float = file(SYNTAX.explicit, header, element(EXPLICIT, 0x7fe0_0008, 'OF', Buffer.alloc(48)));
  assertImage(float, 48, { bytesPerSample: 4, isFloat: true });
  const double = file(SYNTAX.explicit, header, element(EXPLICIT, 0x7fe0_0009, 'OD', Buffer.alloc(96)));
  assertImage(double, 96, { bytesPerSample: 8, isFloat: true });
});

test('pixels that no codec for samples could take have no layout, but a class and a header', () => {
  const cases: readonly ImageFields[] = [
    { bits: 1, modality: 'SEG', columns: 32 },
    { bits: 12 },
    { bits: 8, samples: 3, photometric: 'YBR_FULL_422' },
    { samples: 4 },
    { samples: 2 },
    { rows: 0 },
    { columns: 0 },
  ];
  for (const fields of cases) {
    const bytes = image({ modality: 'SEG', ...fields }, 24);
    assert.deepEqual(detectContent(bytes), {
      class: CONTENT_CLASS.image,
      headerLength: bytes.length - 24,
      series: SERIES,
      pixels: undefined,
      isCompressed: false,
    });
  }
});

test('frames are as many as the file says, or as there are bytes for', () => {
  assertImage(image({ frames: '3' }, 72), 72, { frames: 3 });
  assertImage(image({ frames: '2' }, 72), 72, { frames: 2 });
  assertImage(image({ frames: '9' }, 24 * 3 + 5), 24 * 3 + 5, { frames: 3 });
  for (const frames of ['', '0', '-4', 'many']) assertImage(image({ frames }, 72), 72, { frames: 1 });
});

test('a value that ends early has fewer frames, a single frame fewer lines', () => {
  const three = image({ frames: '3' }, 72);
  const offset = three.length - 72;
  assert.deepEqual(detectContent(three.subarray(0, -1)).pixels, layout(offset, { frames: 2 }));
  assert.deepEqual(detectContent(three.subarray(0, offset + 23)).pixels, layout(offset, { height: 2 }));
  assert.deepEqual(detectContent(three.subarray(0, offset + 8)).pixels, layout(offset, { height: 1 }));
  for (const cut of [7, 0]) {
    const content = detectContent(three.subarray(0, offset + cut));
    assert.deepEqual([content.pixels, content.class, content.headerLength], [undefined, CONTENT_CLASS.ct, offset]);
  }
});

test('a cut frame of planes is lines of one sample', () => {
  const bytes = image({ bits: 8, samples: 3, planar: 1 }, 36);
  const offset = bytes.length - 36;
  const cut = layout(offset, { bytesPerSample: 1, height: 8 });
  assert.deepEqual(detectContent(bytes.subarray(0, -1)).pixels, cut);
});

test('the beginning of an object tells where pixels lie in the whole', () => {
  const bytes = image({ frames: '3' }, 72);
  const offset = bytes.length - 72;
  const first = bytes.subarray(0, offset + 10);
  assert.deepEqual(detectBeginning(first, bytes.length), detectContent(bytes));
  assert.deepEqual(detectBeginning(first, bytes.length - 1).pixels, layout(offset, { frames: 2 }));
  assert.deepEqual(detectBeginning(bytes, 10), detectContent(bytes));
});

test('what follows the pixels is not theirs', () => {
  const trailer = element(EXPLICIT, 0xfffc_fffc, 'OB', Buffer.alloc(126));
  for (const after of [trailer, Buffer.from('odd'), image({}, 24)]) {
    const bytes = image({ frames: '9' }, 24);
    const content = detectContent(Buffer.concat([bytes, after]));
    assert.deepEqual(content, detectContent(bytes));
    assert.deepEqual(content.pixels, layout(bytes.length - 24));
  }
});

test('sequences of every length are stepped over, with what they hold', () => {
  for (const how of [IMPLICIT, EXPLICIT, BIG_ENDIAN]) {
    const syntax = how.isImplicit ? SYNTAX.implicit : how.isBigEndian ? SYNTAX.bigEndian : SYNTAX.explicit;
    // An icon has rows, columns and pixels of its own.
    const icon = Buffer.concat([short(how, 0x0028_0010, 99), short(how, 0x0028_0011, 98), pixels(how, 6)]);
    for (const [inner, outer] of [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ] as const) {
      const nested = sequence(how, 0x0008_1140, [icon, icon], inner);
      const between = sequence(how, 0x0020_9222, [nested, Buffer.alloc(0), nested], outer);
      assertImage(file(syntax, imageHeader(how, { between }), pixels(how, 24)), 24, { isBigEndian: how.isBigEndian });
    }
  }
});

test('an unknown value of unknown length is implicit little endian inside', () => {
  const inner = Buffer.concat([
    text(IMPLICIT, 0x0009_1001, 'LO', 'private'),
    sequence(IMPLICIT, 0x0009_1002, [short(IMPLICIT, 0x0028_0010, 77)], true),
  ]);
  const little = sequence(EXPLICIT, 0x0021_1001, [inner], true, 'UN');
  // The length of the value is written in the order of the file; only what is in it is little endian.
  const big = Buffer.concat([
    element(BIG_ENDIAN, 0x0021_1001, 'UN', Buffer.alloc(0), 0xffff_ffff),
    little.subarray(12),
  ]);
  assertImage(file(SYNTAX.explicit, imageHeader(EXPLICIT, { between: little }), pixels(EXPLICIT, 24)), 24);
  const swapped = file(SYNTAX.bigEndian, imageHeader(BIG_ENDIAN, { between: big }), pixels(BIG_ENDIAN, 24));
  assertImage(swapped, 24, { isBigEndian: true });
});

test('behind an unknown value sequences are explicit again', () => {
  const unknown = sequence(EXPLICIT, 0x0021_1001, [short(IMPLICIT, 0x0028_0010, 77)], true, 'UN');
  const known = sequence(EXPLICIT, 0x0021_1002, [short(EXPLICIT, 0x0028_0010, 77)], true);
  const between = Buffer.concat([unknown, known]);
  assertImage(file(SYNTAX.explicit, imageHeader(EXPLICIT, { between }), pixels(EXPLICIT, 24)), 24);
});

test('a series whose name is cut, or too long, or nothing, is none', () => {
  const bytes = file(SYNTAX.explicit, text(EXPLICIT, 0x0020_000e, 'UI', SERIES));
  assert.equal(detectContent(bytes).series, SERIES);
  assert.equal(detectContent(bytes.subarray(0, -1)).series, undefined);
  for (const name of ['', ' ', '1.'.repeat(33)]) {
    assert.equal(detectContent(file(SYNTAX.explicit, text(EXPLICIT, 0x0020_000e, 'UI', name))).series, undefined);
  }
});

test('a VR that is not known has a long length', () => {
  const between = element(EXPLICIT, 0x0021_1001, 'OW', Buffer.alloc(70_000));
  between.write('ZZ', 4);
  assertImage(file(SYNTAX.explicit, imageHeader(EXPLICIT, { between }), pixels(EXPLICIT, 24)), 24);
});

test('encapsulated pixels are compressed; a header of some weight is worth a trial', () => {
  const header = imageHeader(EXPLICIT);
  const encapsulated = (syntax: string, bytes: number): [Content, number] => {
    const fragment = fragments(Buffer.alloc(bytes, 9));
    const whole = file(syntax, header, element(EXPLICIT, PIXELS, 'OB', fragment, 0xffff_ffff));
    return [detectContent(whole), whole.length - fragment.length];
  };
  const cases = [
    [SYNTAX.jpeg, 100_000, true],
    [SYNTAX.jpeg, 300, false],
    [SYNTAX.runLengths, 100_000, false],
    [SYNTAX.encapsulatedUncompressed, 100_000, false],
    // A file that says that it is native and is not.
    [SYNTAX.explicit, 100_000, true],
  ] as const;
  for (const [syntax, bytes, isCompressed] of cases) {
    const [content, headerLength] = encapsulated(syntax, bytes);
    const expected = { class: CONTENT_CLASS.compressed, headerLength, series: SERIES, pixels: undefined, isCompressed };
    assert.deepEqual(content, expected, `${syntax}, ${bytes} bytes`);
  }
});

test('a deflated data set is compressed', () => {
  const bytes = file(SYNTAX.deflated, deflateRawSync(Buffer.concat([imageHeader(EXPLICIT), pixels(EXPLICIT, 24)])));
  const expected = { class: CONTENT_CLASS.compressed, headerLength: 0, series: undefined, pixels: undefined };
  assert.deepEqual(detectContent(bytes), { ...expected, isCompressed: true });
});

test('an object without pixels is all header', () => {
  const report = [
    text(EXPLICIT, 0x0008_0016, 'UI', '1.2.840.10008.5.1.4.1.1.88.11'),
    text(EXPLICIT, 0x0008_0060, 'CS', 'SR'),
    text(EXPLICIT, 0x0020_000e, 'UI', SERIES),
    sequence(EXPLICIT, 0x0040_a730, [text(EXPLICIT, 0x0040_a160, 'UT', 'nothing abnormal')], true),
  ];
  for (const bytes of [file(SYNTAX.explicit, ...report), Buffer.concat(report)]) {
    const expected = { class: CONTENT_CLASS.other, headerLength: bytes.length, series: SERIES, pixels: undefined };
    assert.deepEqual(detectContent(bytes), { ...expected, isCompressed: false });
  }
});

test('the walk ends where elements make no sense', () => {
  const broken = Buffer.concat([text(EXPLICIT, 0x0020_000e, 'UI', SERIES), Buffer.alloc(64)]);
  const bytes = file(SYNTAX.explicit, broken, pixels(EXPLICIT, 24));
  const expected = { class: CONTENT_CLASS.other, headerLength: bytes.length - 64 - 36, series: SERIES };
  assert.deepEqual(detectContent(bytes), { ...expected, pixels: undefined, isCompressed: false });
  // An item or a delimiter that nothing opened.
  const stray = Buffer.from([0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0]);
  assert.equal(
    detectContent(file(SYNTAX.explicit, imageHeader(EXPLICIT), stray, pixels(EXPLICIT, 24))).pixels,
    undefined,
  );
});

test('numbers that look like tags are not DICOM', () => {
  const numbers = Buffer.alloc(4096);
  for (let at = 0; at < numbers.length; at += 2) numbers.writeUInt16LE(8, at);
  const few = Buffer.concat([text(EXPLICIT, 0x0008_0008, 'CS', 'ORIGINAL'), Buffer.alloc(100, 1)]);
  // Pixels that cannot be laid out, and no SOP class before them.
  const odd = Buffer.concat([text(EXPLICIT, 0x0008_0060, 'CS', 'CT'), pixels(EXPLICIT, 24)]);
  for (const bytes of [numbers, few, odd]) {
    const { class: contentClass, headerLength } = detectContent(bytes);
    assert.deepEqual([contentClass, headerLength], [CONTENT_CLASS.other, 0]);
  }
});

test('a thousand open sequences are not followed, and a million elements not counted', () => {
  const open = Buffer.concat([element(EXPLICIT, 0x0008_1140, 'SQ', Buffer.alloc(0), 0xffff_ffff)]);
  const item = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff]);
  const deep = Buffer.concat(Array.from({ length: 1000 }, () => Buffer.concat([open, item])));
  const walk = new ElementWalk(deep, 0, EXPLICIT);
  while (walk.next());
  assert.equal(walk.steps, LIMITS.contentDepthMax + 1);
  const many = new ElementWalk(Buffer.alloc(10_000_000), 0, IMPLICIT);
  while (many.next());
  assert.equal(many.steps, LIMITS.contentElementsMax);
});
