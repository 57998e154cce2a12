/**
 * The fast lane cannot be told from node:http: random conversations, cut anywhere, with two fronts over one store, of which one has no
 * lane. Answers are compared byte by byte, and so is what was reported of them. `PENSTOCK_FUZZ_RUNS` makes it longer.
 *
 * What may differ: node:http drops the answers that it still owes when the same connection sends it something broken, and how many
 * it owes is a matter of time. So where a conversation is broken, one side may say less, but never anything else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RequestEvent } from '../../src/fronts/s3/front.ts';
import { BUCKET, converse, type Head, headText, normalised, signedHead, startTwins } from './fast-lane-fixture.ts';
import type { Fixture } from './front-fixture.ts';
import { ALT, MAIN, ROOT } from './users.ts';

const RUNS = Number(process.env.PENSTOCK_FUZZ_RUNS ?? 400);
const LIMIT = { timeout: 300_000 };

/** `cold` keys are never at hand. */
const twins = await startTwins(undefined, (key) => !key.startsWith('cold'));
const { lane, plain } = twins;

function head(method: string, key: string, options: Parameters<typeof signedHead>[2] = {}): Head {
  return signedHead(method, `/${BUCKET}/${key}`, options);
}

const FAKES = [headText(head('GET', 'small')), `0\r\n\r\n${headText(head('GET', 'empty'))}`].join('');
const noise = (bytes: number): string => Buffer.alloc(bytes, 'not\r\n\r\nvery noisy').toString('latin1');

/** What every key holds: a PUT writes what is there already, so that the order of the two sides does not matter. */
const CONTENTS: Readonly<Record<string, string>> = {
  empty: '',
  small: 'hello',
  'a/./b//c~d_e': noise(700),
  usual: noise(16 * 1024),
  big: noise(100_000),
  huge: noise(600_000),
  fakes: FAKES,
  'cold/small': 'cold',
  'cold/big': noise(40_000),
};
const KEYS = Object.keys(CONTENTS);

function storedHeaders(key: string): Record<string, string> {
  return { 'content-type': 'text/x; a="b"', 'x-amz-meta-key': key, 'cache-control': 'no-cache' };
}

await lane.send({ method: 'PUT', target: `/${BUCKET}`, user: MAIN });
for (const [key, body] of Object.entries(CONTENTS)) {
  const headers = storedHeaders(key);
  await lane.send({
    method: 'PUT',
    target: `/${BUCKET}/${key}`,
    user: MAIN,
    body: Buffer.from(body, 'latin1'),
    headers,
  });
}
for (const acl of ['public-read', 'authenticated-read'])
  await lane.send({ method: 'PUT', target: `/${BUCKET}/${acl}`, user: MAIN, body: acl, headers: { 'x-amz-acl': acl } });
for (const [key, headers] of [
  ['checked', { 'x-amz-checksum-crc32': 'NhCmhg==' }],
  ['latin1', { 'x-amz-meta-u': 'gr\xfc\xdfe' }],
] as const)
  await lane.send({ method: 'PUT', target: `/${BUCKET}/${key}`, user: MAIN, body: 'hello', headers });

interface Said {
  readonly text: string;
  /** HTTP may end the connection over it, with answers still owed. */
  readonly broken: boolean;
}

const fine = (text: string): Said => ({ text, broken: false });
const key = fc.constantFrom(...KEYS, 'checked', 'latin1');
const SDK = {
  'user-agent': 'Boto3/1.40.0 md/x',
  'accept-encoding': 'identity',
  'amz-sdk-invocation-id': '7c9ae7e3',
  'amz-sdk-request': 'attempt=1',
};

const plainGet = fc
  .tuple(key, fc.constantFrom(MAIN, MAIN, ROOT), fc.boolean(), fc.boolean())
  .map(([name, user, checked, sdk]) => {
    const headers: Record<string, string> = checked ? { 'x-amz-checksum-mode': 'ENABLED' } : {};
    return fine(headText(head('GET', name, { user, headers, unsigned: sdk ? SDK : { connection: 'keep-alive' } })));
  });

/** By somebody who may read some of it. */
const strangersGet = fc
  .tuple(fc.constantFrom('public-read', 'authenticated-read', 'small'), fc.constantFrom(ALT, undefined))
  .map(([name, user]) => {
    const { line, headers } = head('GET', name, { ...(user !== undefined && { user }), unsigned: SDK });
    return fine(
      headText({ line, headers: headers.filter(([header]) => user !== undefined || header !== 'authorization') }),
    );
  });

const put = fc.tuple(fc.constantFrom(...KEYS.filter((name) => name !== 'huge')), fc.nat(3)).map(([name, pieces]) => {
  const body = CONTENTS[name] as string;
  const headers = storedHeaders(name);
  if (pieces === 0)
    return fine(headText(head('PUT', name, { headers, unsigned: { 'content-length': String(body.length) } })) + body);
  const size = Math.ceil(body.length / pieces);
  let text = headText(head('PUT', name, { headers, unsigned: { 'transfer-encoding': 'chunked' } }));
  for (let at = 0; at < body.length; at += size) {
    const piece = body.slice(at, at + size);
    text += `${piece.length.toString(16)}\r\n${piece}\r\n`;
  }
  return fine(`${text}0\r\n\r\n`);
});

/** Uploads that are refused before their bodies have come, small enough for the connection to go on. */
const refusedPut = fc.constantFrom(ALT, MAIN).map((user) => {
  const unsigned = { 'content-length': String(FAKES.length), ...(user === MAIN && { 'if-match': '"x"' }) };
  return fine(headText(head('PUT', 'fakes', { user, unsigned })) + FAKES);
});

const EXTRA: readonly (readonly [string, string])[] = [
  ['Range', 'bytes=1-3'],
  ['Range', 'bytes=99999999-'],
  ['If-None-Match', '*'],
  ['If-Match', '"x"'],
  ['Content-Length', '0'],
  ['Origin', 'http://a'],
  ['Connection', 'Keep-Alive'],
  ['Cookie', 'a=b'],
  ['X-Amz-Foo', '1'],
  ['x-amz-expected-bucket-owner', 'x'],
  ['Expect', '100-continue'],
  ['Upgrade', 'h2c'],
  ['Content-Type', ';;;'],
  ['Date', 'yesterday'],
];

const otherRequest = fc.oneof(
  fc.tuple(key, fc.constantFrom(...EXTRA)).map(([name, [header, value]]) => ({
    text: headText(head('GET', name, { unsigned: { [header]: value } })),
    broken: header === 'Expect', // which ends the connection after the answer, whatever else is on its way
  })),
  fc.tuple(key, fc.constantFrom('HEAD', 'GET')).map(([name, method]) => fine(headText(head(method, name)))),
  fc
    .constantFrom(
      head('GET', 'missing'),
      head('GET', 'x'.repeat(1025)),
      head('GET', 'small?tagging'),
      head('GET', 'small?versionId=null'),
      head('GET', 'sm%61ll'),
      head('GET', 'small', { host: `${BUCKET}.s3.test` }),
      head('GET', 'small', { host: 'b.S3.test:80' }),
      head('GET', 'small', { user: ALT }),
      head('GET', 'small', { nowMs: 0 }),
      head('GET', ''),
      signedHead('GET', '/'),
      signedHead('GET', `/${BUCKET}`),
      signedHead('GET', '/no-such-bucket/small'),
      signedHead('GET', `//${BUCKET}/small`),
      { line: `GET /${BUCKET}/small HTTP/1.1`, headers: [['Host', 'a']] } satisfies Head,
      // A head that holds another, whole and signed.
      { line: head('GET', 'small').line, headers: [['X', head('GET', 'small').line], ...head('GET', 'small').headers] },
      { line: head('PUT', 'none').line, headers: [['X', head('GET', 'small').line], ...head('GET', 'small').headers] },
    )
    .map((one) => fine(headText(one))),
);

type Change = (text: string) => string;
/** Changes of a whole request as text. After most of them it is another request or none. */
const CHANGES: readonly Change[] = [
  (text) => text.replace('GET', 'get'),
  (text) => text.replace('GET ', 'GET  '),
  (text) => text.replace(' HTTP/1.1', ' HTTP/1.0'),
  (text) => text.replace(' HTTP/1.1', ''),
  (text) => text.replace('GET /', 'GET http://a/'),
  (text) => text.replaceAll('\r\n', '\n'),
  (text) => text.replace('\r\n', '\n'),
  (text) => text.replace('\r\n\r\n', '\r\n\n'),
  (text) => `\r\n${text}`,
  (text) => `\r\n\r\n${text}`,
  (text) => ` ${text}`,
  (text) => text.replace('Signature=', 'Signature=0'),
  (text) => text.replace('/us-east-1/', '/us-east-2/'),
  (text) => text.replace(/SignedHeaders=host;/, 'SignedHeaders='),
  (text) => text.replace('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA257'),
  (text) => text.replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\nhello'),
  (text) => text.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nno colon\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nA: b\r\n c\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nUser-Agent: \xfc\x7f\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nUser-Agent: a\0b\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', `\r\nUser-Agent: ${'x'.repeat(40_000)}\r\n\r\n`),
];
/** Changes of one of its headers. */
const HEADER_CHANGES: readonly ((name: string, value: string) => string)[] = [
  (name, value) => `${name.toUpperCase()}: ${value}\r\n`,
  (name, value) => `${name}:${value}\r\n`,
  (name, value) => `${name}:   ${value}  \r\n`,
  (name, value) => `${name}:\t${value}\r\n`,
  (name, value) => `${name} : ${value}\r\n`,
  (name, value) => ` ${name}: ${value}\r\n`,
  (name, value) => `${name}: ${value}\r\n${name}: ${value}\r\n`,
  (name, value) => `${name}: ${value}\r\n${name.toUpperCase()}: other\r\n`,
  (name, value) => `${name}: ${value}\n`,
  (name, value) => `${name}: ${value}\r`,
  (name, value) => `${name}: ${value}x\r\n`,
  (name, value) => `${name}: ${value.slice(1)}\r\n`,
  (name, value) => `${name}: ${value.toUpperCase()}\r\n`,
  (name, value) => `${name}x: ${value}\r\n`,
  (name) => `${name}: \r\n`,
  (name) => `${name}:\r\n`,
  () => '',
];

function changeHeader(one: Head, at: number, change: (name: string, value: string) => string): string {
  const lines = one.headers.map(([name, value], i) => (i === at ? change(name, value) : `${name}: ${value}\r\n`));
  return `${one.line}\r\n${lines.join('')}\r\n`;
}

const FULL = head('GET', 'small', {
  headers: { 'x-amz-checksum-mode': 'ENABLED' },
  unsigned: { ...SDK, connection: 'keep-alive' },
});

const changed = fc
  .oneof(
    fc.constantFrom(...CHANGES).map((change) => change(headText(FULL))),
    fc
      .tuple(fc.nat(FULL.headers.length - 1), fc.constantFrom(...HEADER_CHANGES))
      .map(([at, change]) => changeHeader(FULL, at, change)),
    fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })).map(([place, byte]) => {
      const bytes = Buffer.from(headText(FULL), 'latin1');
      bytes[place % bytes.length] = byte;
      return bytes.toString('latin1');
    }),
  )
  .map((text): Said => ({ text, broken: true }));

/** The end of every conversation. */
const LAST = headText(head('GET', 'small', { unsigned: { connection: 'close' } }));

const said = fc.oneof(
  { weight: 6, arbitrary: plainGet },
  { weight: 1, arbitrary: strangersGet },
  { weight: 3, arbitrary: put },
  { weight: 1, arbitrary: refusedPut },
  { weight: 3, arbitrary: otherRequest },
  { weight: 1, arbitrary: changed },
);

interface Conversation {
  readonly pieces: readonly Buffer[];
  readonly broken: boolean;
}

const conversation: fc.Arbitrary<Conversation> = fc
  .record({
    all: fc.array(said, { minLength: 1, maxLength: 8 }),
    cutAt: fc.constantFrom('nowhere', 'requests', 'gets'),
    cuts: fc.array(fc.nat(), { maxLength: 4 }),
    isTruncated: fc.nat(20).map((n) => n === 0),
  })
  .map(({ all, cutAt, cuts, isTruncated }) => {
    const whole = Buffer.from(all.map(({ text }) => text).join('') + LAST, 'latin1');
    const bytes = isTruncated ? whole.subarray(0, whole.length - 3) : whole;
    const places = cuts.map((cut) => cut % (bytes.length + 1));
    let at = 0;
    for (const { text } of all) {
      at += text.length;
      if (cutAt === 'requests') places.push(Math.min(at, bytes.length));
    }
    // Also in the middle of bodies and heads: each piece then looks like a request of its own.
    if (cutAt === 'gets')
      for (let next = bytes.indexOf('GET /'); next >= 0; next = bytes.indexOf('GET /', next + 1)) places.push(next);
    places.push(0, bytes.length);
    places.sort((a, b) => a - b);
    const pieces = places.slice(1).map((place, i) => bytes.subarray(places[i], place));
    return { pieces, broken: isTruncated || all.some(({ broken }) => broken) };
  });

function factsOf(event: RequestEvent): string {
  const { durationMs: _, requestId: __, ...facts } = event;
  return JSON.stringify(facts);
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Resolves when what was broken off has been reported too. */
async function settled({ front }: Fixture): Promise<void> {
  const isOpen = () => new Promise((resolve) => front.server.getConnections((_error, count) => resolve(count > 0)));
  while (await isOpen()) await turn();
  for (let i = 0; i < 3; i += 1) await turn();
}

/** Talks to both sides and compares. */
async function compare({ pieces, broken }: Conversation): Promise<void> {
  const from = [lane.events.length, plain.events.length] as const;
  const answers = await Promise.all([lane, plain].map(({ port }) => converse(port, pieces, broken)));
  const [a, b] = answers.map(normalised) as [string, string];
  const wording = () => JSON.stringify(pieces.map((piece) => piece.toString('latin1').slice(0, 1500)));
  if (broken) {
    assert.ok(a.startsWith(b) || b.startsWith(a), wording());
    await Promise.all([settled(lane), settled(plain)]);
    return;
  }
  if (a !== b) assert.fail(`${wording()}\n${a.slice(0, 3000)}\n--- without the lane\n${b.slice(0, 3000)}`);
  assert.deepEqual(lane.events.slice(from[0]).map(factsOf).sort(), plain.events.slice(from[1]).map(factsOf).sort());
}

test('random conversations are answered as without the lane', LIMIT, async () => {
  await fc.assert(fc.asyncProperty(conversation, compare), { numRuns: RUNS });
});

test(
  'every change of a plain GET is answered as without the lane, alone and after and before others',
  LIMIT,
  async () => {
    const texts = CHANGES.map((change) => change(headText(FULL)));
    for (const change of HEADER_CHANGES) texts.push(...FULL.headers.map((_, at) => changeHeader(FULL, at, change)));
    const good = Buffer.from(headText(FULL));
    const last = Buffer.from(LAST);
    // What is no HTTP is answered with 400 or not at all, and nothing may follow on a connection that is to be closed.
    const isBroken = (answer: string) =>
      answer === '' || /^HTTP\/1\.1 4(00|31) |\r\nConnection: close\r\n/.test(answer);
    for (const text of texts) {
      const bytes = Buffer.from(text, 'latin1');
      const alone = await Promise.all(
        [lane, plain].map(async ({ port }) => normalised(await converse(port, [bytes], true))),
      );
      assert.equal(alone[0], alone[1], text.slice(0, 1500));
      const broken = isBroken(alone[0] as string);
      await compare({ pieces: [good, bytes, good, last], broken });
      await compare({ pieces: [Buffer.concat([good, bytes, good, last])], broken });
    }
  },
);

test('most of it was served by the lane', () => {
  const gets = lane.events.filter(({ operation, status }) => operation === 'GetObject' && status === 200).length;
  assert.ok(twins.slowGets() < gets * 0.8, `${twins.slowGets()} of ${gets} went the slow way`);
  const ids = lane.events.map(({ requestId }) => requestId);
  assert.equal(new Set(ids).size, ids.length, 'request ids are unique');
  assert.deepEqual([lane.errors, plain.errors], [[], []]);
});
