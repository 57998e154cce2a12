/** Pixels of a large object, seen from its pieces. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pixelLayout, pixelsBefore, pixelsOfPiece } from '../../src/format/content-pixels.ts';

const place = { offset: 100, width: 10, height: 10, frames: 3, bytesPerSample: 2 } as const;

test('a piece counts the offset from its own beginning', () => {
  const layout = pixelLayout(place);
  for (const start of [0, 1, 100, 150, 5000]) {
    assert.deepEqual(pixelsOfPiece(layout, start), { ...layout, offset: 100 - start });
  }
});

test('what lies before the end is as much of the pixels as whole frames or lines allow', () => {
  const layouts = fc.record({
    offset: fc.nat(200),
    width: fc.integer({ min: 1, max: 20 }),
    height: fc.integer({ min: 1, max: 20 }),
    frames: fc.integer({ min: 1, max: 5 }),
    bytesPerSample: fc.constantFrom(1, 2, 4, 8),
    samples: fc.constantFrom(1, 3),
    isPlanar: fc.boolean(),
  });
  fc.assert(
    fc.property(layouts, fc.nat(20_000), (fields, end) => {
      const layout = pixelLayout({ ...fields, isPlanar: fields.isPlanar && fields.samples === 3 });
      const found = pixelsBefore(layout, end);
      const lineBytes = layout.width * layout.bytesPerSample * (layout.isPlanar ? 1 : layout.samples);
      if (found === undefined) {
        assert.ok(end - layout.offset < lineBytes);
        return;
      }
      const frameBytes = found.width * found.height * found.samples * found.bytesPerSample;
      const left = end - found.offset - frameBytes * found.frames;
      assert.ok(left >= 0);
      assert.equal(found.offset, layout.offset);
      if (found.height !== layout.height || found.samples !== layout.samples) assert.ok(left < lineBytes);
      else if (found.frames !== layout.frames) assert.ok(left < frameBytes);
      else assert.equal(found, layout);
    }),
  );
});
