import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { LIMITS } from '../../src/base/limits.ts';
import { loadHtj2kCodec } from '../../src/codec/htj2k-codec.ts';
import { loadJpegLsCodec } from '../../src/codec/jpeg-ls-codec.ts';
import type { Shape } from '../../src/codec/plane-codec.ts';
import { loadWasm, type WasmCodec, WasmException } from '../../src/codec/wasm-host.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import { noise, scan } from './made-images.ts';

const SHAPE: Shape = {
  width: 60,
  height: 50,
  bytesPerSample: 2,
  samples: 1,
  isPlanar: false,
  isSigned: false,
  isBigEndian: false,
};

/** Where a section of one plane says its length and its CRC, and where its codestream begins. */
const LENGTH_AT = 4;
const CRC_AT = 8;
const STREAM_AT = 12;

/** Damaged behind its head, and with a CRC that holds all the same: what only the module can find. */
function damaged(coded: Buffer, seed: number): Buffer {
  const dice = noise(12, seed);
  const length =
    (dice[0] as number) < 50 ? STREAM_AT + (dice.readUInt16LE(1) % (coded.length - STREAM_AT)) : coded.length;
  const made = Buffer.from(coded.subarray(0, length));
  for (let change = 0; change <= (dice[3] as number) % 4; change += 1) {
    const at = STREAM_AT + (dice.readUInt16LE(4 + change) % Math.max(1, made.length - STREAM_AT));
    if (at < made.length) made[at] = dice[8 + change] as number;
  }
  const about = Buffer.alloc(11);
  about.writeUInt32LE(SHAPE.width, 0);
  about.writeUInt32LE(SHAPE.height, 4);
  made.copy(about, 8, 1, LENGTH_AT);
  made.writeUInt32LE(made.length - STREAM_AT, LENGTH_AT);
  made.writeUInt32LE(crc32Of(made.subarray(STREAM_AT), crc32Of(about, 0)), CRC_AT);
  return made;
}

for (const [name, load, rounds] of [
  ['HTJ2K', loadHtj2kCodec, 2000],
  // Most of these end in an exception, and each costs an instance.
  ['JPEG-LS', loadJpegLsCodec, 150],
] as const) {
  describe(name, () => {
    let codec: WasmCodec;
    before(async () => {
      codec = await load();
    });

    test('takes no more memory after thousands of calls than after some', () => {
      let settled = 0;
      for (let call = 0; call < 3000; call += 1) {
        const shape = { ...SHAPE, width: 20 + (call % 60), height: 20 + (call % 37) };
        const bytes = scan(shape.width, shape.height, 2, 11, 1 + call);
        const coded = codec.encode(bytes, shape, undefined);
        assert.ok(coded);
        codec.decode(coded, shape, bytes, undefined);
        if (call === 100) settled = codec.memoryBytes();
      }
      assert.ok(settled > 0);
      assert.equal(codec.memoryBytes(), settled);
    });

    test('keeps within its bound with the largest pictures', () => {
      const side = Math.sqrt(LIMITS.pictureBytesMax / 2);
      const shape = { ...SHAPE, width: side, height: side };
      const bytes = scan(side, side, 2, 15);
      for (let call = 0; call < 2; call += 1) {
        const coded = codec.encode(bytes, shape, undefined);
        assert.ok(coded);
        const into = Buffer.alloc(bytes.length);
        codec.decode(coded, shape, into, undefined);
        assert.ok(into.equals(bytes));
        assert.ok(codec.memoryBytes() <= LIMITS.wasmBytesMax);
      }
    });

    test('ends in an Error or in wrong bytes when a codestream is damaged that its CRC does not tell', () => {
      const bytes = scan(SHAPE.width, SHAPE.height, 2, 12);
      const coded = codec.encode(bytes, SHAPE, undefined);
      assert.ok(coded);
      let unlike = 0;
      for (let round = 1; round <= rounds; round += 1) {
        const into = Buffer.alloc(bytes.length);
        try {
          codec.decode(damaged(coded, round), SHAPE, into, undefined);
          if (!into.equals(bytes)) unlike += 1;
        } catch (error) {
          assert.ok(error instanceof Error, String(error));
          unlike += 1;
        }
        if (round % 25 !== 0) continue;
        codec.decode(coded, SHAPE, into, undefined);
        assert.ok(into.equals(bytes), `what came after damage ${round}`);
      }
      assert.ok(unlike > rounds / 2);
      assert.ok(codec.memoryBytes() <= LIMITS.wasmBytesMax);
    });

    test('refuses a codestream whose CRC does not hold, and one of another picture', () => {
      const bytes = scan(SHAPE.width, SHAPE.height, 2, 12);
      const coded = codec.encode(bytes, SHAPE, undefined);
      assert.ok(coded);
      for (const at of [1, 2, 3, CRC_AT, STREAM_AT, coded.length - 1]) {
        const changed = Buffer.from(coded);
        changed[at] = (changed[at] as number) ^ 1;
        assert.throws(() => codec.decode(changed, SHAPE, bytes, undefined), /CRC of a codestream/);
      }
      const turned = { ...SHAPE, width: SHAPE.height, height: SHAPE.width };
      assert.throws(() => codec.decode(coded, turned, bytes, undefined), /CRC of a codestream/);
    });
  });
}

describe('an instance of WebAssembly', () => {
  test('is made anew after a call that ended badly, and only then', async () => {
    const made: object[] = [];
    const { default: createCharLs } = await import('@cornerstonejs/codec-charls/wasmjs');
    const host = await loadWasm(createCharLs, '@cornerstonejs/codec-charls/wasm', (api: object) => {
      made.push(api);
      return api;
    });
    assert.equal(made.length, 0);
    assert.equal(
      host.use((api) => api),
      made[0],
    );
    assert.equal(
      host.use((api) => api),
      made[0],
    );
    const cause = new Error('a trap');
    assert.throws(
      () =>
        host.use(() => {
          throw cause;
        }),
      cause,
    );
    assert.equal(host.memoryBytes(), 0);
    assert.equal(
      host.use((api) => api),
      made[1],
    );
    // C++ throws numbers.
    assert.throws(
      () =>
        host.use(() => {
          throw 4711 as unknown as Error;
        }),
      (error) => error instanceof WasmException && error.cause === 4711,
    );
    assert.equal(
      host.use((api) => api),
      made[2],
    );
    assert.equal(made.length, 3);
  });
});
