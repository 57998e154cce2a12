/** The sample images are what their manifest says, all of them are listed, and each licence is explained beside them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const samples = new URL('../../samples/', import.meta.url);
const [header, ...lines] = readFileSync(new URL('manifest.tsv', samples), 'utf8').trimEnd().split('\n');
const rows = lines.map((line) => {
  const [path = '', bytes = '', sha256 = '', kind = '', licence = '', source = ''] = line.split('\t');
  return { path, bytes: Number(bytes), sha256, kind, licence, source };
});

test('the manifest has its columns, sorted unique paths and no empty field', () => {
  assert.equal(header, 'path\tbytes\tsha256\tkind\tlicence\tsource');
  const paths = rows.map((row) => row.path);
  assert.deepEqual(paths, [...new Set(paths)].sort());
  for (const row of rows) {
    for (const [name, value] of Object.entries(row))
      assert.ok(value, `samples/manifest.tsv: ${row.path} has no ${name}`);
  }
});

test('every sample file has the size and the SHA-256 of the manifest', () => {
  for (const row of rows) {
    const content = readFileSync(new URL(row.path, samples));
    assert.equal(content.length, row.bytes, `samples/${row.path}: size differs from manifest.tsv`);
    const sha256 = createHash('sha256').update(content).digest('hex');
    assert.equal(sha256, row.sha256, `samples/${row.path}: SHA-256 differs from manifest.tsv`);
  }
});

test('the manifest lists every file in a folder of samples', () => {
  const onDisk = readdirSync(samples, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((folder) => readdirSync(new URL(`${folder.name}/`, samples)).map((name) => `${folder.name}/${name}`));
  assert.deepEqual(
    onDisk.sort(),
    rows.map((row) => row.path),
  );
});

test('the samples stay small, many and of several kinds', () => {
  const total = rows.reduce((sum, row) => sum + row.bytes, 0);
  assert.ok(total <= 4_000_000, `samples hold ${total} bytes; expected at most 4,000,000`);
  assert.ok(rows.length >= 40 && rows.length <= 60, `${rows.length} samples; expected 40 to 60`);
  assert.deepEqual([...new Set(rows.map((row) => row.kind))].sort(), [
    'blood',
    'ct',
    'dicom',
    'mr',
    'nifti',
    'pet',
    'xray',
  ]);
});

test('LICENCES.md names the folder and the licence of every sample', () => {
  const text = readFileSync(new URL('LICENCES.md', samples), 'utf8');
  const pairs = new Set(rows.map((row) => `${row.path.split('/')[0]}/ ${row.licence}`));
  for (const pair of pairs) {
    const [folder = '', licence = ''] = pair.split(' ');
    const line = text
      .split('\n')
      .find((candidate) => candidate.startsWith(`| \`${folder}`) && candidate.includes(licence));
    assert.ok(line, `samples/LICENCES.md has no table row for ${folder} under ${licence}`);
  }
  assert.ok(
    text.includes(`${rows.length} files`),
    `samples/LICENCES.md gives another count than the manifest's ${rows.length}`,
  );
});
