import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type EntityStream, loadEntityHashes } from '../../src/format/entity-hash.ts';
import { parseEtag, renderEtag } from '../../src/format/index-entry.ts';

const hashes = await loadEntityHashes();

/** Bytes of a formula, so that another implementation can make them too. */
function counted(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 131 + (i >> 8)) & 255));
}

test('an ETag is the XXH3-128 of the bytes, in a form that is not that of an MD5', () => {
  // The digest of nothing is in the test vectors of the specification.
  assert.equal(hashes.etagOf(Buffer.alloc(0)), '99aa06d3014798d86001c324468d497f-1');
  assert.match(hashes.etagOf(counted(65_536)), /^[0-9a-f]{32}-1$/);
});

test('index and records keep an ETag of this form as it is', () => {
  const etag = hashes.etagOf(counted(1000));
  const { digest, parts } = parseEtag(etag);
  assert.equal(parts, 1);
  assert.equal(renderEtag(digest, parts), etag);
});

test('streams that are fed in turns give the ETags of their whole bytes', () => {
  const step = fc.record({ stream: fc.nat(2), size: fc.integer({ min: 0, max: 40_000 }), whole: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const streams: EntityStream[] = [0, 1, 2].map(() => hashes.stream());
      const bytes: Buffer[][] = [[], [], []];
      for (const { stream, size, whole } of steps) {
        const piece = counted(size);
        (streams[stream] as EntityStream).update(piece);
        (bytes[stream] as Buffer[]).push(piece);
        if (whole) hashes.etagOf(piece); // must not disturb them
      }
      streams.forEach((stream, i) => {
        assert.equal(stream.etag(), hashes.etagOf(Buffer.concat(bytes[i] as Buffer[])));
      });
    }),
    { numRuns: 200 },
  );
});
