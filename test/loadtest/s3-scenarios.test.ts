/** The S3 scenarios from end to end, as a user runs them: against a gateway that they start, one that runs already, and until Ctrl-C. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Belongings } from '../../bench/measure/belongings.ts';
import { familyOf } from '../../bench/measure/processes.ts';
import { startGateway } from '../../bench/rig/gateway.ts';
import { SIGNER } from '../../bench/rig/signed-requests.ts';
import { countErrors } from '../../loadtest/suite/run-report.ts';
import { BUCKET, openS3Client } from '../../loadtest/suite/upload.ts';
import { scenarioRuns } from './scenario-runs.ts';

const { folder, start, assertNothingLeft } = scenarioRuns();

const TINY = ['--objects', '30', '--seconds', '1', '--rounds', '1', '--connections', '2', '--sizes', '4k'];

test('s3-get against nginx in turns: rates, CPU and ratios, at a rate and without', async () => {
  const run = start('s3-get', [...TINY, '--rate', 'half', '--compare', 'nginx']);
  const { code, stdout, text } = await run.ended;
  assert.equal(code, 0, text);
  const report = run.report();
  assert.deepEqual(
    report.targets.map(({ name, isOwn }) => [name, isOwn]),
    [
      ['penstock', true],
      ['nginx', true],
    ],
  );
  assert.equal(report.points.length, 4);
  for (const point of report.points) {
    assert.ok(point.objects > 0 && point.bytes === point.objects * 4096);
    assert.ok((point.serverCpuSeconds ?? 0) >= 0 && (point.loadCpuSeconds ?? 0) > 0);
    assert.equal(countErrors(point.errors), 0);
  }
  assert.deepEqual(
    report.points.map(({ latencyMs }) => latencyMs?.isCorrected),
    [false, false, true, true],
  );
  assert.equal(report.ratios.length, 4);
  assert.ok(
    report.ratios.every(({ contender, peer, median }) => contender === 'penstock' && peer === 'nginx' && median > 0),
  );
  assert.match(report.versions.nginx ?? '', /^\d+\.\d+/);
  assert.equal(report.versions.autocannon, '9.0.0');
  assert.equal(report.isCutShort, false);
  assert.match(stdout, /penstock \/ nginx +GET 4 KiB, 2 connections: requests a second/);
  assert.match(stdout, /errors: 0 broken, 0 refused, 0 short, 0 wrong bytes/);
  assert.match(readFileSync(run.html, 'utf8'), /^<!doctype html>/i);
  assertNothingLeft();
});

test('s3-mixed has figures for each operation, and reads back what it wrote', async () => {
  const mix = ['--mix', 'get=30,head=20,put=25,delete=15,list=10', '--bytes-from', 'samples'];
  const { ended, report } = start('s3-mixed', [...TINY, ...mix]);
  const { code, text } = await ended;
  assert.equal(code, 0, text);
  const loads = new Set(report().points.map(({ load }) => load.split(' ')[0]));
  assert.deepEqual(loads, new Set(['mixed', 'GET', 'HEAD', 'PUT', 'DELETE', 'LIST']));
  assertNothingLeft();
});

test('a gateway that runs already is loaded by its address, read from its folder too, and left as it was', async () => {
  const owned = new Belongings({ endsItself: true });
  const dir = join(folder, 'running');
  const gateway = await startGateway(owned, { dir, workers: 1, cores: 1 });
  const endpoint = `http://127.0.0.1:${gateway.s3Port}`;
  const keys = ['--access-key', SIGNER.accessKeyId, '--secret-key', SIGNER.secret];
  const put = start('s3-put', [...TINY, '--endpoint', endpoint, ...keys, '--compare', endpoint]);
  const { code, text } = await put.ended;
  assert.equal(code, 0, text);
  const report = put.report();
  assert.equal(report.points.length, 2);
  assert.ok(report.points.every(({ serverCpuSeconds }) => serverCpuSeconds === undefined));
  assert.ok(!readFileSync(put.json, 'utf8').includes(SIGNER.secret), 'the secret is in the report');
  const credentials = { accessKeyId: SIGNER.accessKeyId, secretKey: SIGNER.secret, region: SIGNER.region };
  const target = {
    name: 'x',
    endpoint: new URL(endpoint),
    credentials,
    pids: () => [],
    untilQuiet: async () => {},
    close: async () => {},
  };
  const client = openS3Client(target, 1, new AbortController().signal);
  const left = (await client.listPage(BUCKET, 's3-put/', '', undefined)).objects;
  client.close();
  assert.deepEqual(left, []);
  const wrong = await start('s3-get', [...TINY, '--endpoint', endpoint, '--access-key', 'nobody', '--secret-key', 'x'])
    .ended;
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.stderr, /InvalidAccessKeyId|AccessDenied/);
  await owned.dispose();
});

test('an endpoint elsewhere is not loaded unless that is said', async () => {
  const { code, stderr } = await start('s3-get', ['--endpoint', 'http://192.0.2.1:9000', ...TINY]).ended;
  assert.equal(code, 2);
  assert.match(
    stderr,
    /--endpoint http:\/\/192\.0\.2\.1:9000 is not on this machine; add --allow-remote if it is yours to load\./,
  );
});

test('Ctrl-C ends the run in order: the report has what was whole, and nothing stays behind', async () => {
  const { child, ended, told, ...run } = start('s3-get', [...TINY, '--rounds', '90']);
  await told(/round 1/);
  const children = familyOf(child.pid as number).slice(1);
  assert.ok(children.length >= 3, 'gateway and load are not there');
  // As a terminal does, and npm once more: to the whole group, twice.
  process.kill(-(child.pid as number), 'SIGINT');
  process.kill(child.pid as number, 'SIGINT');
  const { code, stdout } = await ended;
  assert.equal(code, 130);
  const report = run.report();
  assert.equal(report.isCutShort, true);
  assert.ok(report.points.length >= 1 && report.points.length < 90);
  assert.ok(report.tables.length > 0);
  assert.match(stdout, /Interrupted: the figures are of what was finished by then\./);
  assert.ok(existsSync(run.html));
  assert.deepEqual(
    children.filter((pid) => existsSync(`/proc/${pid}`)),
    [],
  );
  assertNothingLeft();
});
