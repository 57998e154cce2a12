/** Heads of TAR members: what other readers make of them, and that they lie where they say. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  paxRecord,
  TAR_BLOCK,
  TAR_END_BYTES,
  type TarMember,
  tarPadding,
  writeTarHead,
} from '../../src/format/tar-header.ts';
import { membersOf } from '../s3/tar-reading.ts';

const GiB = 1024 ** 3;
const MODIFIED_MS = 1_700_000_000_123;

/** An archive of members with bodies of their sizes. */
function archive(members: readonly { readonly member: Omit<TarMember, 'size'>; readonly body: Buffer }[]): Buffer {
  const pieces: Buffer[] = [];
  for (const { member, body } of members) {
    const head = Buffer.alloc(64 * 1024, 0xff); // what was in the buffer before must not shine through
    const end = writeTarHead(head, 512, { ...member, size: body.length });
    assert.equal(end % TAR_BLOCK, 0);
    assert.ok(
      head.subarray(0, 512).every((byte) => byte === 0xff) && head.subarray(end).every((byte) => byte === 0xff),
    );
    pieces.push(head.subarray(512, end), body, Buffer.alloc(tarPadding(body.length)));
  }
  return Buffer.concat([...pieces, Buffer.alloc(TAR_END_BYTES)]);
}

function plain(name: string, records = ''): Omit<TarMember, 'size'> {
  return { name, modifiedMs: MODIFIED_MS, records };
}

const NAMES = [
  'a',
  'folder/image.png',
  'n'.repeat(100),
  'n'.repeat(101),
  `${'long/'.repeat(200)}end`,
  'ümläut/日本/🙂.dcm',
  'new\nline and "quotes"',
  ' blank ',
];

test('a record counts its own length, also where that gains a digit', () => {
  assert.equal(paxRecord('a', 'b'), '6 a=b\n');
  assert.equal(paxRecord('path', 'ü'), '11 path=ü\n');
  for (let length = 0; length < 1100; length++) {
    const record = paxRecord('keyword', 'v'.repeat(length));
    assert.equal(Number.parseInt(record, 10), record.length);
  }
});

test('tar-stream reads any name, size, time and records', async () => {
  const text = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 300 })
    .filter((name) => !/[\0]/.test(name) && name.isWellFormed());
  const member = fc.record({ name: text, value: text, size: fc.nat(5000), seconds: fc.nat(4_000_000_000) });
  await fc.assert(
    fc.asyncProperty(fc.array(member, { minLength: 1, maxLength: 5 }), async (wanted) => {
      const bytes = archive(
        wanted.map(({ name, value, size, seconds }) => ({
          member: { name, modifiedMs: seconds * 1000 + 999, records: paxRecord('PENSTOCK.v', value) },
          body: Buffer.alloc(size, name),
        })),
      );
      const found = await membersOf(bytes);
      assert.deepEqual(
        found.map(({ header, records, body }) => [
          header.pax?.['path' as never],
          records.v,
          body,
          header.mtime?.getTime(),
        ]),
        wanted.map(({ name, value, size, seconds }) => [name, value, Buffer.alloc(size, name), seconds * 1000]),
      );
    }),
    { numRuns: 100 },
  );
});

test('tar lists the names, sizes and times', () => {
  const bytes = archive(NAMES.map((name, i) => ({ member: plain(name), body: Buffer.alloc(i * 300) })));
  const { stdout, stderr, status } = spawnSync(
    'tar',
    ['-tv', '--utc', '--full-time', '--quoting-style=escape', '-f', '-'],
    { input: bytes, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8' } },
  );
  assert.deepEqual([status, stderr], [0, '']);
  const lines = stdout.split('\n').slice(0, -1);
  assert.deepEqual(
    lines.map((line) => /^-rw-r--r-- 0\/0 +(\d+) 2023-11-14 22:13:20 (.*)$/.exec(line)?.slice(1)),
    NAMES.map((name, i) => [String(i * 300), name.replaceAll('\n', '\\n')]),
  );
});

test('python reads the names, bodies and records', () => {
  const bytes = archive(
    NAMES.map((name) => ({ member: plain(name, paxRecord('PENSTOCK.key', name)), body: Buffer.from(name) })),
  );
  const script = [
    'import json, sys, tarfile',
    'with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:',
    '    for m in archive:',
    '        body = archive.extractfile(m).read().decode()',
    '        print(json.dumps([m.name, body, m.pax_headers["PENSTOCK.key"], m.mtime, m.isreg()]))',
  ].join('\n');
  const { stdout, stderr } = spawnSync('python3', ['-c', script], { input: bytes, encoding: 'utf8' });
  assert.equal(stderr, '');
  assert.deepEqual(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    NAMES.map((name) => [name, name, name, 1_700_000_000, true]),
  );
});

test('sizes from 8 GiB on are in a record', () => {
  for (const size of [8 * GiB - 1, 8 * GiB, 5 * 1024 * GiB]) {
    const head = Buffer.alloc(4096);
    const end = writeTarHead(head, 0, { ...plain('big'), size });
    // Without its body tar complains of the end, after it has listed the member.
    const { stdout } = spawnSync('tar', ['-tvf', '-'], { input: head.subarray(0, end), encoding: 'utf8' });
    assert.match(stdout, new RegExp(` ${size} .* big\n`));
    assert.equal(head.toString('latin1').includes(`size=${size}\n`), size >= 8 * GiB);
  }
});

test('a reader that knows no records sees a harmless name', () => {
  for (const name of [`${'x'.repeat(96)}/../../etc`, 'ü/../x', '日本', `${'d/'.repeat(60)}..`]) {
    const head = Buffer.alloc(4096);
    const end = writeTarHead(head, 0, { ...plain(name), size: 0 });
    const seen = head.toString('latin1', end - TAR_BLOCK, end - TAR_BLOCK + 100).replace(/\0+$/, '');
    assert.match(seen, /^[A-Za-z0-9_]+$/);
  }
});

test('a record is followed by zeros, whatever was in the buffer', () => {
  const head = Buffer.alloc(2048, 0xff);
  writeTarHead(head, 0, { ...plain('a'), size: 0 });
  const text = paxRecord('path', 'a');
  assert.equal(head.toString('latin1', 512, 512 + text.length), text);
  assert.ok(head.subarray(512 + text.length, 1024).every((byte) => byte === 0));
});

test('what does not fit writes nothing', () => {
  const room = Buffer.alloc(2048, 0xff);
  assert.equal(writeTarHead(room, 512, { ...plain('a'), size: 0 }), 2048);
  room.fill(0xff);
  assert.equal(writeTarHead(room, 513, { ...plain('a'), size: 0 }), -1);
  assert.equal(writeTarHead(room, 0, { ...plain('n'.repeat(600)), size: 0 }), 2048);
  room.fill(0xff);
  assert.equal(writeTarHead(room, 0, { ...plain('n'.repeat(1100)), size: 0 }), -1);
  assert.ok(room.every((byte) => byte === 0xff));
});
