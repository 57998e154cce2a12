import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  formatHttpDate,
  formatIsoBasic,
  parseHttpDate,
  parseIsoBasic,
  parseIsoExtended,
} from '../../src/format/http-date.ts';

const NOW = Date.UTC(2025, 5, 1);
const EXAMPLE = Date.UTC(1994, 10, 6, 8, 49, 37);
const second = fc.integer({ min: Date.UTC(1000, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 });

describe('HTTP dates', () => {
  it('reads the three forms of RFC 9110', () => {
    assert.equal(parseHttpDate('Sun, 06 Nov 1994 08:49:37 GMT', NOW), EXAMPLE);
    assert.equal(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT', NOW), EXAMPLE);
    assert.equal(parseHttpDate('Sun Nov  6 08:49:37 1994', NOW), EXAMPLE);
  });

  it('reads the UTC and -0000 zones that mail libraries write', () => {
    assert.equal(parseHttpDate('Sun, 06 Nov 1994 08:49:37 -0000', NOW), EXAMPLE);
    assert.equal(parseHttpDate('Sun, 06 Nov 1994 08:49:37 UTC', NOW), EXAMPLE);
  });

  it('places two-digit years at most 50 years ahead', () => {
    assert.equal(parseHttpDate('Monday, 01-Jan-75 00:00:00 GMT', NOW), Date.UTC(2075, 0, 1));
    assert.equal(parseHttpDate('Monday, 01-Jan-76 00:00:00 GMT', NOW), Date.UTC(1976, 0, 1));
  });

  for (const bad of [
    '',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 30 Feb 1994 08:49:37 GMT',
    'Sun, 06 Foo 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:00:00 GMT',
    'Sun, 06 Nov 1994 08:60:37 GMT',
    'Sun, 00 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 08:49:37 GMT ',
    '1994-11-06T08:49:37Z',
  ]) {
    it(`does not take ${JSON.stringify(bad)}`, () => assert.equal(parseHttpDate(bad, NOW), undefined));
  }

  it('reads back what it prints', () => {
    fc.assert(fc.property(second, (s) => assert.equal(parseHttpDate(formatHttpDate(s * 1000 + 999), NOW), s * 1000)));
  });
});

describe('ISO dates', () => {
  it('reads and prints the basic form', () => {
    assert.equal(formatIsoBasic(Date.UTC(2013, 4, 24)), '20130524T000000Z');
    assert.equal(parseIsoBasic('20130524T235958Z'), Date.UTC(2013, 4, 24, 23, 59, 58));
    fc.assert(fc.property(second, (s) => assert.equal(parseIsoBasic(formatIsoBasic(s * 1000)), s * 1000)));
  });

  it('refuses days that do not exist, other zones and other lengths', () => {
    const bad = [
      '20130229T000000Z',
      '20131301T000000Z',
      '20130524T240000Z',
      '20130524T000000',
      '2013-05-24T00:00',
      '20130524t000000Z',
    ];
    for (const text of [...bad, '20130524T00000 Z', '+0130524T000000Z', '20130431T000000Z'])
      assert.equal(parseIsoBasic(text), undefined, text);
    assert.equal(parseIsoBasic('20240229T000000Z'), Date.UTC(2024, 1, 29));
  });

  it('reads the extended form with and without a fraction', () => {
    assert.equal(parseIsoExtended('2007-12-01T12:00:00.000Z'), Date.UTC(2007, 11, 1, 12));
    assert.equal(parseIsoExtended('2007-12-01T12:00:00.1239Z'), Date.UTC(2007, 11, 1, 12, 0, 0, 123));
    assert.equal(parseIsoExtended('2007-12-01T12:00:00Z'), Date.UTC(2007, 11, 1, 12));
    for (const text of ['2007-13-01T12:00:00Z', '2007-12-01 12:00:00Z', '2007-12-01T12:00:00+01:00', '2007-12-01']) {
      assert.equal(parseIsoExtended(text), undefined, text);
    }
  });
});
