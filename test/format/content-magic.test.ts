/** Bytes that are already compressed are known by their first; all others are looked at. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { CONTENT_CLASS } from '../../src/format/content.ts';
import { detectContent } from '../../src/format/content-detect.ts';
import { magicClass } from '../../src/format/content-magic.ts';

const after = Buffer.alloc(200, 0x5a);

function begin(start: string): Buffer {
  return Buffer.concat([Buffer.from(start, 'latin1'), after]);
}

/** The head of the first member of an archive, compressed by `method`. */
function zip(method: number): Buffer {
  return begin(`PK\x03\x04\x14\0\0\0${String.fromCharCode(method)}\0`);
}

const COMPRESSED: Record<string, Buffer> = {
  JPEG: begin('\xff\xd8\xff\xe0'),
  'JPEG-LS': begin('\xff\xd8\xff\xf7'),
  PNG: begin('\x89PNG\r\n\x1a\n'),
  WebP: begin('RIFF\x10\0\0\0WEBPVP8 '),
  gzip: gzipSync(after),
  zstd: begin('\x28\xb5\x2f\xfd'),
  xz: begin('\xfd7zXZ\0'),
  bzip2: begin('BZh91AY&SY'),
  '7z': begin('7z\xbc\xaf\x27\x1c'),
  RAR: begin('Rar!\x1a\x07\x01\0'),
  lzip: begin('LZIP'),
  LZ4: begin('\x04\x22\x4d\x18'),
  Snappy: begin('\xff\x06\0\0sNaPpY'),
  'ZIP, deflated': zip(8),
  'ZIP, zstd': zip(93),
  MP4: begin('\0\0\0\x20ftypisom'),
  HEIC: begin('\0\0\0\x18ftypheic'),
  AVIF: begin('\0\0\0\x1cftypavif'),
  JP2: begin('\0\0\0\x0cjP  \r\n\x87\n'),
  'JPEG 2000': begin('\xff\x4f\xff\x51'),
  'JPEG XL': begin('\0\0\0\x0cJXL \r\n\x87\n'),
  GIF: begin('GIF89a'),
  Ogg: begin('OggS'),
  FLAC: begin('fLaC'),
  MP3: begin('ID3\x04'),
  WebM: begin('\x1a\x45\xdf\xa3'),
};

const OTHER: Record<string, Buffer> = {
  text: Buffer.from('patient,age\n1,42\n'.repeat(20)),
  JSON: Buffer.from(`{"labels": [${'0, '.repeat(100)}1]}`),
  zeros: Buffer.alloc(1000),
  'ZIP of stored members': zip(0),
  WAV: begin('RIFF\x10\0\0\0WAVEfmt '),
  PDF: begin('%PDF-1.7'),
  Parquet: begin('PAR1'),
  'bzip2 by name only': begin('BZhuman genome'),
  'half a JPEG marker': begin('\xff\xd8\0'),
};

test('compressed kinds are known, and nothing more is said of them', () => {
  const expected = { class: CONTENT_CLASS.compressed, headerLength: 0, series: undefined, pixels: undefined };
  for (const [name, bytes] of Object.entries(COMPRESSED)) {
    assert.equal(magicClass(bytes.subarray(0, 132)), CONTENT_CLASS.compressed, name);
    assert.deepEqual(detectContent(bytes), { ...expected, isCompressed: true }, name);
  }
});

test('what may be compressible is left to a trial', () => {
  const expected = { class: CONTENT_CLASS.other, headerLength: 0, series: undefined, pixels: undefined };
  for (const [name, bytes] of Object.entries(OTHER)) {
    assert.equal(magicClass(bytes), CONTENT_CLASS.unexamined, name);
    assert.deepEqual(detectContent(bytes), { ...expected, isCompressed: false }, name);
  }
});

test('two bytes are too few for JPEG XL: it counts as compressed, and is tried', () => {
  const bytes = begin('\xff\x0a');
  assert.equal(magicClass(bytes), CONTENT_CLASS.unexamined);
  const { class: contentClass, isCompressed } = detectContent(bytes);
  assert.deepEqual([contentClass, isCompressed], [CONTENT_CLASS.compressed, false]);
});

test('a DICOM prefix is believed before what stands in the preamble', () => {
  const bytes = Buffer.alloc(200);
  bytes.write('\xff\xd8\xff\xe0', 0, 'latin1');
  bytes.write('DICM', 128);
  assert.equal(magicClass(bytes), CONTENT_CLASS.unexamined);
  assert.equal(detectContent(bytes).isCompressed, false);
});

test('no bytes, and the beginnings of all kinds, are just bytes or what they are', () => {
  for (const bytes of [...Object.values(COMPRESSED), ...Object.values(OTHER)]) {
    for (let length = 0; length < 20; length++) {
      const first = bytes.subarray(0, length);
      const isCompressed = magicClass(first) === CONTENT_CLASS.compressed;
      assert.equal(detectContent(first).isCompressed, isCompressed);
    }
  }
  assert.equal(magicClass(Buffer.alloc(0)), CONTENT_CLASS.unexamined);
});
