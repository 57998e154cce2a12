/** Who gets the stored frame: only who names zstd. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namesZstd, pushZstd } from '../../src/fronts/s3/accept-encoding.ts';

test('zstd is taken by who lists it with a weight above 0', () => {
  for (const header of ['zstd', 'gzip, deflate, br, zstd', 'ZSTD', 'gzip;q=0.5,zstd;q=0.1', 'zstd ; q=1.0', 'zstd;x=y'])
    assert.equal(namesZstd(header), true, header);
  for (const header of [
    '',
    '*',
    'identity',
    'gzip',
    'zstd;q=0',
    'zstd; Q=0.000',
    'xzstd',
    'zstd;q=none',
    '*;q=1, gzip',
  ])
    assert.equal(namesZstd(header), false, header);
});

test('the headers of a frame do not say what holds for the bytes alone', () => {
  const headers = [
    'Content-Type',
    'a/b',
    'ETag',
    '"abc"',
    'Last-Modified',
    'x',
    'Accept-Ranges',
    'bytes',
    'x-amz-meta-a',
    '1',
  ];
  pushZstd(headers);
  assert.deepEqual(headers, [
    ...['Content-Type', 'a/b', 'ETag', 'W/"abc"', 'Last-Modified', 'x', 'x-amz-meta-a', '1'],
    ...['Content-Encoding', 'zstd', 'Vary', 'Accept-Encoding'],
  ]);
});
