/** What the fast lane takes, what it leaves alone, and when it believes that node:http stands between two requests. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HttpBoundary } from '../../src/fronts/s3/fast-lane-boundary.ts';
import { LANE_HEADERS, parseLaneRequest } from '../../src/fronts/s3/fast-lane-parse.ts';
import { refuseHeaders } from '../../src/fronts/s3/refused.ts';

const HEAD = 'GET /b/k.x HTTP/1.1\r\nHost: a\r\nAuthorization: AWS4\r\nuser-AGENT:  x y \r\n\r\n';

function parse(text: string, from = 0) {
  return parseLaneRequest(Buffer.from(text, 'latin1'), from);
}

test('a plain GET is read as node:http reads it', () => {
  const before = 'xyz';
  assert.deepEqual(parse(`${before}${HEAD}GET /next`, before.length), {
    target: '/b/k.x',
    bucket: 'b',
    key: 'k.x',
    host: 'a',
    isSigned: true,
    checksumMode: undefined,
    rawHeaders: ['host', 'a', 'authorization', 'AWS4', 'user-agent', 'x y'],
    end: before.length + HEAD.length,
  });
  const odd = parse(HEAD.replace('/b/k.x', '/b//../~a_-/'));
  assert.deepEqual([odd?.bucket, odd?.key], ['b', '/../~a_-/']);
});

test('without an Authorization header it is not signed, with an empty one it is', () => {
  assert.equal(parse(HEAD.replace('Authorization: AWS4\r\n', ''))?.isSigned, false);
  assert.equal(parse(HEAD.replace('AWS4', ''))?.isSigned, true);
});

test('connection: keep-alive is as none, checksum mode is told', () => {
  const more = HEAD.replace('\r\n\r\n', '\r\nConnection: Keep-Alive\r\nX-Amz-Checksum-Mode: enabled\r\n\r\n');
  assert.equal(parse(more)?.checksumMode, 'enabled');
});

test('no prefix of a head is a request', () => {
  for (let end = 0; end < HEAD.length; end += 1) assert.equal(parse(HEAD.slice(0, end)), undefined, HEAD.slice(0, end));
});

for (const [name, text] of [
  ['another method', HEAD.replace('GET', 'PUT')],
  ['a method that starts like it', HEAD.replace('GET', 'GETX')],
  ['a method in lower case', HEAD.replace('GET', 'get')],
  ['GE/ /', HEAD.replace('GET /', 'GE/ /')],
  ['HTTP/1.0', HEAD.replace('HTTP/1.1', 'HTTP/1.0')],
  ['a blank line before', `\r\n${HEAD}`],
  ['a query', HEAD.replace('k.x', 'k?x')],
  ['an empty query', HEAD.replace('k.x', 'k?')],
  ['a fragment', HEAD.replace('k.x', 'k#x')],
  ['an escape', HEAD.replace('k.x', 'k%20x')],
  ['a plus', HEAD.replace('k.x', 'k+x')],
  ['a byte above ASCII', HEAD.replace('k.x', 'k\xe4x')],
  ['two spaces before the version', HEAD.replace(' HTTP', '  HTTP')],
  ['an absolute target', HEAD.replace('/b', 'http://a/b')],
  ['no key', HEAD.replace('/b/k.x', '/b')],
  ['an empty key', HEAD.replace('/b/k.x', '/b/')],
  ['an empty bucket', HEAD.replace('/b/k.x', '//k')],
  ['no Host', HEAD.replace('Host: a\r\n', '')],
  ['no header', 'GET /b/k HTTP/1.1\r\n\r\n'],
  ['Connection: close', HEAD.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')],
  ['Connection with two words', HEAD.replace('\r\n\r\n', '\r\nConnection: keep-alive, x\r\n\r\n')],
  ['a header with a blank in its name', HEAD.replace('Host:', 'Host :')],
  ['a header without a colon', HEAD.replace('Host: a', 'Host a')],
  ['a folded header', HEAD.replace('Host: a\r\n', 'Host: a\r\n b\r\n')],
  ['a tab', HEAD.replace('Host: a', 'Host:\ta')],
  ['a NUL', HEAD.replace('x y', 'x\0y')],
  ['a bare LF', HEAD.replace('Host: a\r\n', 'Host: a\n')],
  ['a bare CR', HEAD.replace('x y', 'x\ry')],
  ['only LFs', HEAD.replaceAll('\r\n', '\n')],
  ['DEL', HEAD.replace('x y', 'x\x7fy')],
  ['a latin1 letter', HEAD.replace('x y', 'x\xfcy')],
  ['a long head', HEAD.replace('x y', 'x'.repeat(9000))],
] as const) {
  test(`left alone: ${name}`, () => assert.equal(parse(text), undefined));
}

test('left alone: any header twice, any that is not on the list', () => {
  for (const name of LANE_HEADERS) {
    const value = name === 'connection' ? 'keep-alive' : 'v';
    const once = HEAD.replace('\r\n\r\n', `\r\n${name}: ${value}\r\n\r\n`);
    if (!/^(host|authorization|user-agent)$/.test(name)) assert.ok(parse(once), name);
    assert.equal(parse(once.replace('\r\n\r\n', `\r\n${name.toUpperCase()}: ${value}\r\n\r\n`)), undefined, name);
  }
  for (const name of [
    'range',
    'if-match',
    'content-length',
    'transfer-encoding',
    'expect',
    'origin',
    'upgrade',
    'cookie',
  ])
    assert.equal(parse(HEAD.replace('\r\n\r\n', `\r\n${name}: 0\r\n\r\n`)), undefined, name);
});

test('no header of the list is one that the ordinary path refuses', () => {
  for (const name of LANE_HEADERS) assert.doesNotThrow(() => refuseHeaders([name, 'x']), name);
});

test('whatever bytes come, the reader ends inside them or leaves them', () => {
  const piece = fc.constantFrom(
    'GET /',
    'b/k',
    ' HTTP/1.1',
    '\r\n',
    '\r',
    '\n',
    'Host: a',
    'Authorization: b',
    ':',
    ' ',
    '\0',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 4 })), { maxLength: 20 }), (pieces) => {
      const bytes = Buffer.from(pieces.join(''), 'latin1');
      const request = parseLaneRequest(bytes, 0);
      assert.ok(request === undefined || (request.end <= bytes.length && request.end > 40));
    }),
    { numRuns: 2000 },
  );
});

function boundaryAfter(chunks: readonly string[], requests: readonly [complete: boolean, length?: string][]): boolean {
  const boundary = new HttpBoundary();
  for (const chunk of chunks) boundary.feed(Buffer.from(chunk, 'latin1'));
  for (const [complete, length] of requests) boundary.begin({ complete, headers: { 'content-length': length } });
  return boundary.reached;
}

test('node:http stands between two requests only where that is proven', () => {
  const head = 'PUT / HTTP/1.1\r\nA: b\r\n\r\n';
  const cases: [string, boolean, string[], [boolean, string?][]][] = [
    ['nothing began', false, ['\r\n\r\n'], []],
    ['a whole head', true, [head], [[true]]],
    ['a head whose body is to come', false, [head], [[false, '5']]],
    ['head and body', true, [head, 'hello'], [[true, '5']]],
    ['head and body in one', true, [`${head}hello`], [[true, '5']]],
    ['a byte more', false, [`${head}helloP`], [[true, '5']]],
    ['a blank line before', false, [`\r\n\r\n${head}hello`], [[true, '5']]],
    ['a head in two chunks and its body', false, ['PUT / HTTP/1.1\r\nA: b\r\n', '\r\nhello'], [[true, '5']]],
    [
      'two requests with bodies',
      false,
      [`${head}hello`, `${head}hello`],
      [
        [true, '5'],
        [true, '5'],
      ],
    ],
    ['two requests, the last without a body', true, [`${head}hello`, head], [[true, '5'], [true]]],
    ['chunks', true, [head, '5\r\nhello\r\n0\r\n\r\n'], [[true]]],
    ['chunks and the start of more', false, [head, '5\r\nhello\r\n0\r\n\r\nGET'], [[true]]],
    ['an empty line in two chunks', false, [head, '0\r\n', '\r\n'], [[true]]],
  ];
  for (const [name, expected, chunks, requests] of cases) assert.equal(boundaryAfter(chunks, requests), expected, name);
});
