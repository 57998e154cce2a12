/** When a series gets a dictionary, and which. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { LIMITS } from '../../src/base/limits.ts';
import { dictionaryOf } from '../../src/codec/dictionary.ts';
import type { Coder, Dictionary } from '../../src/codec/object-coding.ts';
import { CONTENT_CLASS, type Content } from '../../src/format/content.ts';
import { headLength, recordLength } from '../../src/format/record.ts';
import { SeriesDictionaries, type SeriesDictionary } from '../../src/store/coding-dictionaries.ts';
import { noise } from '../contract/scene.ts';
import { EXPLICIT, element, file, imageHeader, SYNTAX, text } from '../format/dicom-bytes.ts';
import { realCoder } from './coding-scene.ts';

let coder: Coder;
before(async () => {
  coder = await realCoder();
});

/** A header of which `shared` bytes are those of every other one, and `own` are noise. */
function header(number: number, shared: number, own: number): Buffer {
  const between = Buffer.concat([
    text(EXPLICIT, 0x0020_0013, 'IS', String(number)),
    element(EXPLICIT, 0x0029_1010, 'OB', noise(shared, 1)),
    element(EXPLICIT, 0x0029_1011, 'OB', noise(own, number + 2)),
  ]);
  return file(SYNTAX.explicit, imageHeader(EXPLICIT, { modality: 'MR', between }));
}

function contentOf(bytes: Buffer, series = 'a series'): Content {
  return { class: CONTENT_CLASS.mr, headerLength: bytes.length, series, pixels: undefined, isCompressed: false };
}

function headersOf(count: number, shared: number, own: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => header(i, shared, own));
}

function dictionariesFor(headers: readonly Buffer[]): Promise<readonly (SeriesDictionary | undefined)[]> {
  return new SeriesDictionaries(coder, 'default').of(
    headers,
    headers.map((bytes) => contentOf(bytes)),
  );
}

/** Whether these headers, and the record of a dictionary of them, take less than they do without one. */
async function judged(headers: readonly Buffer[]): Promise<{ dictionary: Dictionary; pays: boolean }> {
  const dictionary = dictionaryOf(headers);
  const coded = async (bytes: Buffer, given?: Dictionary): Promise<number> => {
    const [one] = await coder.encode([{ bytes, options: { profile: 'default', dictionary: given } }]);
    return one?.stored?.length ?? bytes.length;
  };
  let saved = 0;
  for (const bytes of headers) saved += (await coded(bytes)) - (await coded(bytes, dictionary));
  const hint = { class: CONTENT_CLASS.other, pixels: undefined };
  const [stored] = await coder.encode([{ bytes: dictionary.bytes, options: { profile: 'default', hint } }]);
  const length = stored?.stored?.length ?? dictionary.bytes.length;
  return { dictionary, pays: saved > recordLength(headLength(8, 0), length) };
}

describe('dictionaries of series', () => {
  it('are made of two headers or more if they save more than the record of the dictionary takes, and only then', async () => {
    const outcomes = new Set<boolean>();
    for (const count of [2, 3, 4])
      for (const shared of [0, 20, 40, 60, 80, 120, 200, 3000]) {
        const headers = headersOf(count, shared, 700);
        const { dictionary, pays } = await judged(headers);
        const found = await dictionariesFor(headers);
        const expected = headers.map(() => (pays ? dictionary.id : undefined));
        assert.deepEqual(
          found.map((known) => known?.dictionary.id),
          expected,
          `${count} headers that share ${shared} bytes`,
        );
        outcomes.add(pays);
      }
    assert.equal(outcomes.size, 2, 'some pay, and some do not');
  });

  it('are not made of one header, or of short ones', async () => {
    assert.deepEqual(await dictionariesFor(headersOf(1, 3000, 20)), [undefined]);
    const short = headersOf(2, 40, 0);
    assert.ok((short[0] as Buffer).length < 512);
    assert.deepEqual(await dictionariesFor(short), [undefined, undefined]);
  });

  it('are remembered: what comes later, alone or unlike the others, has the same', async () => {
    const series = new SeriesDictionaries(coder, 'default');
    const headers = headersOf(3, 3000, 20);
    const [known] = await series.of(
      headers,
      headers.map((bytes) => contentOf(bytes)),
    );
    assert.ok(known);
    const later = header(9, 10, 3000);
    assert.deepEqual(await series.of([later], [contentOf(later)]), [known]);
    assert.deepEqual(await series.of([later], [{ ...contentOf(later), series: undefined }]), [undefined]);
  });

  it('are forgotten, those that nobody used for longest first, when they take too much memory', async () => {
    const series = new SeriesDictionaries(coder, 'default');
    const large = LIMITS.dictionaryBytesMax;
    const room = LIMITS.seriesDictionariesBytesMax / large;
    const headers = [header(0, large - 1000, 20), header(1, large - 1000, 20)];
    const use = (name: string, count: number) => {
      const some = headers.slice(0, count);
      return series.of(
        some,
        some.map((bytes) => contentOf(bytes, name)),
      );
    };
    for (let i = 0; i < room; i += 1) await use(`series ${i}`, 2);
    assert.ok((await use('series 0', 1))[0], 'used, and so younger than all others');
    await use('one more', 2);
    assert.deepEqual(await use('series 1', 1), [undefined]);
    for (const name of ['series 0', 'series 2', 'one more']) assert.ok((await use(name, 1))[0], name);
  });
});
