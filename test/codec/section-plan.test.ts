/** Where objects are cut. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../../src/base/limits.ts';
import { type Cut, planSections } from '../../src/codec/section-plan.ts';
import type { PixelLayout } from '../../src/format/content.ts';

const SLICE: PixelLayout = {
  offset: 100,
  width: 512,
  height: 512,
  frames: 1,
  bytesPerSample: 2,
  samples: 1,
  isPlanar: false,
  isSigned: true,
  isFloat: false,
  isBigEndian: false,
};
const FRAME = 512 * 512 * 2;

/** `header 0-100, pixels 100-200 512x3, ...` */
function told(cuts: readonly Cut[]): string {
  return cuts
    .map(({ start, end, part, shape }) => {
      const samples = shape?.samples === 3 ? (shape.isPlanar ? ' rgb planar' : ' rgb') : '';
      return `${part} ${start}-${end}${shape === undefined ? '' : ` ${shape.width}x${shape.height}${samples}`}`;
    })
    .join(', ');
}

function plan(length: number, pixels: PixelLayout | undefined, headerLength = 0): string {
  return told(planSections(length, headerLength, pixels));
}

describe('the plan of sections', () => {
  it('cuts an image into header, frame and rest', () => {
    assert.equal(
      plan(100 + FRAME + 7, SLICE),
      `header 0-100, pixels 100-${100 + FRAME} 512x512, rest ${100 + FRAME}-${107 + FRAME}`,
    );
    assert.equal(plan(FRAME, { ...SLICE, offset: 0 }), `pixels 0-${FRAME} 512x512`);
    assert.equal(plan(50, undefined, 20), 'header 0-20, rest 20-50');
    assert.equal(plan(50, undefined), 'rest 0-50');
    assert.equal(plan(50, undefined, 80), 'header 0-50');
    assert.equal(plan(0, undefined), '');
  });

  it('keeps large frames apart, and puts small ones together', () => {
    const cuts = planSections(100 + 3 * FRAME, 100, { ...SLICE, frames: 3 });
    assert.deepEqual(
      cuts.map(({ end, start }) => end - start),
      [100, FRAME, FRAME, FRAME],
    );
    const small = { ...SLICE, offset: 0, width: 64, height: 64, frames: 20 };
    assert.equal(plan(20 * 8192, small), 'pixels 0-131072 64x1024, pixels 131072-163840 64x256');
  });

  it('cuts pixels that end too early at a line', () => {
    assert.equal(plan(100 + 1024 * 3 + 5, SLICE), 'header 0-100, pixels 100-3172 512x3, rest 3172-3177');
    assert.equal(plan(105, SLICE), 'header 0-100, rest 100-105');
    assert.equal(plan(40, SLICE), 'header 0-40');
  });

  it('cuts a piece from within an image at its lines and frames', () => {
    const two = { ...SLICE, offset: -1000, frames: 2 };
    // Lines have 1024 bytes: the first whole one begins 24 bytes into the piece.
    assert.equal(
      plan(2 * FRAME, two),
      `rest 0-24, pixels 24-${FRAME - 1000} 512x511, pixels ${FRAME - 1000}-${2 * FRAME - 1000} 512x512, rest ${2 * FRAME - 1000}-${2 * FRAME}`,
    );
    assert.equal(plan(5000, { ...SLICE, offset: -FRAME - 5 }), 'rest 0-5000');
    assert.equal(plan(5000, { ...SLICE, offset: 6000 }), 'header 0-5000');
    assert.equal(plan(500, { ...SLICE, offset: -1500 }), 'rest 0-500');
  });

  it('keeps the planes of a whole frame, and takes parts and groups of them for lines', () => {
    const planar = { ...SLICE, offset: 0, bytesPerSample: 1 as const, samples: 3 as const, isPlanar: true };
    const bytes = 512 * 512 * 3;
    assert.equal(plan(bytes, planar), `pixels 0-${bytes} 512x512 rgb planar`);
    assert.equal(plan(bytes - 1, planar), `pixels 0-${bytes - 512} 512x1535, rest ${bytes - 512}-${bytes - 1}`);
    const small = { ...planar, width: 10, height: 10, frames: 4 };
    assert.equal(plan(1200, small), 'pixels 0-1200 10x120');
    assert.equal(plan(1200, { ...small, isPlanar: false }), 'pixels 0-1200 10x40 rgb');
  });

  it('cuts large frames into bands that are the same in every piece, and leaves those up to 1 MiB whole', () => {
    const large = { ...SLICE, offset: 0, width: 1024, height: 1024, frames: 2 };
    const band = 'x256';
    const bands = Array.from({ length: 8 }, (_, i) => `pixels ${i * 2 ** 19}-${(i + 1) * 2 ** 19} 1024${band}`);
    assert.equal(plan(4 * 2 ** 20, large), bands.join(', '));
    // From the second line of the second band on, in the middle of the first line.
    const at = 2 ** 19 + 1024;
    assert.equal(
      plan(2 ** 20, { ...large, offset: -at }),
      `rest 0-1024, pixels 1024-${2 ** 19 - 1024} 1024x255, pixels ${2 ** 19 - 1024}-${2 ** 20 - 1024} 1024x256, rest ${2 ** 20 - 1024}-${2 ** 20}`,
    );
    assert.equal(plan(2 ** 20, { ...large, height: 512, frames: 1 }), `pixels 0-${2 ** 20} 1024x512`);
    const uneven = planSections(2 * 1024 * 513, 0, { ...large, height: 513, frames: 1 });
    assert.deepEqual(
      uneven.map(({ shape }) => shape?.height),
      [257, 256],
    );
  });

  it('leaves whole frames of planes in one section however large they are, and cuts what is left of one into bands', () => {
    const planar = { ...SLICE, offset: 0, width: 1000, height: 1000, bytesPerSample: 1 as const, samples: 3 as const };
    const whole = 3_000_000;
    assert.equal(plan(whole, { ...planar, isPlanar: true }), `pixels 0-${whole} 1000x1000 rgb planar`);
    const cut = planSections(whole - 1, 0, { ...planar, isPlanar: true });
    assert.deepEqual(
      cut.map(({ shape }) => shape?.height),
      [500, 500, 500, 500, 500, 499, undefined],
    );
  });

  it('cuts lines that picture codecs do not take, which may be longer than a piece, into pictures of one line', () => {
    const side = LIMITS.pictureSideMax;
    const line = { ...SLICE, width: 5_000_000, height: 1 };
    assert.equal(
      plan(300_000, { ...line, offset: -1_000_001 }),
      `rest 0-1, pixels 1-${1 + 2 * side} ${side}x1, pixels ${1 + 2 * side}-${1 + 4 * side} ${side}x1, pixels ${1 + 4 * side}-299999 18929x1, rest 299999-300000`,
    );
    const colour = { ...line, offset: 10, width: 70_000, bytesPerSample: 1 as const, samples: 3 as const };
    assert.equal(
      plan(210_015, colour),
      `header 0-10, pixels 10-${10 + 3 * side} ${side}x1 rgb, pixels ${10 + 3 * side}-210010 ${70_000 - side}x1 rgb, rest 210010-210015`,
    );
    const planes = plan(210_010, { ...colour, isPlanar: true });
    assert.match(planes, /^header 0-10, (pixels \d+-\d+ 65535x1, ){3}pixels 196615-210010 13395x1$/);
    assert.equal(plan(2 * side, { ...SLICE, offset: 0, width: side, height: 1 }), `pixels 0-${2 * side} ${side}x1`);
  });

  it('covers all bytes without gaps, with shapes that have the bytes of their cuts', () => {
    const layouts: fc.Arbitrary<PixelLayout> = fc.record({
      offset: fc.oneof(fc.integer({ min: -200_000, max: 100_000 }), fc.integer({ min: -(2 ** 45), max: 0 })),
      width: fc.oneof(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 2 ** 32 })),
      height: fc.oneof(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 2 ** 32 })),
      frames: fc.integer({ min: 1, max: 100_000 }),
      bytesPerSample: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
      samples: fc.constantFrom(1 as const, 3 as const),
      isPlanar: fc.boolean(),
      isSigned: fc.boolean(),
      isFloat: fc.boolean(),
      isBigEndian: fc.boolean(),
    });
    const lengths = fc.oneof(fc.integer({ min: 0, max: 300_000 }), fc.constant(LIMITS.extentBytes));
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 0, max: 400_000 }),
        fc.option(layouts, { nil: undefined }),
        (length, header, pixels) => {
          const cuts = planSections(length, header, pixels);
          let at = 0;
          for (const { start, end, shape } of cuts) {
            assert.equal(start, at);
            assert.ok(end > start);
            if (shape !== undefined) {
              assert.equal(shape.width * shape.height * shape.bytesPerSample * shape.samples, end - start);
              assert.ok(shape.width <= LIMITS.pictureSideMax);
              const lineBytes = (end - start) / shape.height;
              assert.ok(shape.isPlanar || end - start <= 2 ** 20 + lineBytes, `a section of ${end - start} bytes`);
            }
            at = end;
          }
          assert.equal(at, length);
          assert.ok(cuts.length <= LIMITS.codedSectionsMax);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
