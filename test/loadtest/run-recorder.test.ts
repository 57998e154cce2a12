/** What a run keeps, what it prints, and what it must not tell; and whom it may load. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { Belongings } from '../../bench/measure/belongings.ts';
import { COMMON_OPTIONS, type CommonValues, parseScenario } from '../../loadtest/suite/options.ts';
import { startProgress } from '../../loadtest/suite/progress.ts';
import { endText, RunRecorder, withoutSecrets } from '../../loadtest/suite/run-recorder.ts';
import { NO_ERRORS, type Point } from '../../loadtest/suite/run-report.ts';
import { openPeer, openTarget, refuseRemote } from '../../loadtest/suite/target.ts';

const POINT: Point = {
  target: 'penstock',
  load: 'GET 16 KiB',
  at: { round: 1, connections: 4 },
  seconds: 1,
  requests: 10,
  objects: 10,
  bytes: 100,
  isLoadLimited: false,
  errors: NO_ERRORS,
  more: {},
};

function optionsOf(...argv: string[]): CommonValues {
  return parseScenario('x', 'x', COMMON_OPTIONS, argv) as CommonValues;
}

function contextOf(...argv: string[]) {
  const report = new RunRecorder('x', argv, {});
  return { options: optionsOf(...argv), report, owned: new Belongings({ endsItself: true }), cores: 2 };
}

test('a run is good without errors, and without a verdict against it', () => {
  const report = new RunRecorder('s3-get', [], {});
  report.point(POINT);
  assert.equal(report.isGood, true);
  report.verdict(true, 'held');
  assert.equal(report.isGood, true);
  report.verdict(false, 'not held');
  assert.equal(report.isGood, false);
  const other = new RunRecorder('s3-get', [], {});
  other.point({ ...POINT, errors: { ...NO_ERRORS, wrong: 1 } });
  assert.equal(other.isGood, false);
  assert.match(
    endText(other.report(true)),
    /Interrupted: .*\n\nerrors: 0 broken, 0 refused, 0 short, 1 wrong bytes\n$/,
  );
});

test('secrets are in no report', () => {
  const argv = ['--secret-key', 'abc', '--compare-secret-key=def', '--endpoint', 'http://127.0.0.1:1'];
  assert.deepEqual(withoutSecrets(argv), [
    '--secret-key',
    '***',
    '--compare-secret-key=***',
    '--endpoint',
    'http://127.0.0.1:1',
  ]);
  assert.equal(new RunRecorder('s3-get', argv, {}).report(false).command.includes('abc'), false);
});

test('targets and remarks that are told twice are kept once', () => {
  const recorder = new RunRecorder('s3-get', [], {});
  for (let i = 0; i < 2; i += 1) {
    recorder.remark('One core.');
    recorder.target({ name: 'a', endpoint: 'http://127.0.0.1:1', isOwn: true });
  }
  const { remarks, targets } = recorder.report(false);
  assert.equal(remarks.length, 1);
  assert.equal(targets.length, 1);
});

test('only this machine is loaded unless it is said otherwise', () => {
  for (const host of ['localhost', '127.0.0.1', '127.8.8.8', '[::1]'])
    refuseRemote(new URL(`http://${host}:9000`), 'endpoint', false);
  refuseRemote(new URL('https://store.example'), 'endpoint', true);
  for (const host of ['store.example', '10.0.0.1', '127.0.0.1.example', 'localhost.example', '[fe80::1]', '0.0.0.0'])
    assert.throws(
      () => refuseRemote(new URL(`http://${host}`), 'endpoint', false),
      /add --allow-remote if it is yours/,
    );
});

test('what cannot be made a target is answered with what to write', async () => {
  const key = ['--access-key', 'AKIDEXAMPLE', '--secret-key', 'secretsecret'];
  const cases: [string[], RegExp][] = [
    [['--endpoint', 'here', ...key], /--endpoint is "here"; write it as http:\/\/HOST:PORT/],
    [['--endpoint', 'http://127.0.0.1:1', '--access-key', 'x'], /give both --access-key and --secret-key, or neither/],
    [['--endpoint', 'http://127.0.0.1:1', '--grpc', '9001', ...key], /--grpc is "9001"; write it as HOST:PORT/],
    [
      ['--endpoint', 'http://127.0.0.1:1', '--grpc', '10.1.1.1:9', ...key],
      /--grpc http:\/\/10\.1\.1\.1:9 is not on this/,
    ],
  ];
  for (const [argv, message] of cases) await assert.rejects(openTarget(contextOf(...argv)), message, argv.join(' '));
  const first = await openTarget(contextOf('--endpoint', 'http://127.0.0.1:1', '--grpc', '127.0.0.1:2', ...key));
  assert.equal(first.grpcAddress, '127.0.0.1:2');
  const peer = openPeer(contextOf('--compare', 'http://127.0.0.1:1'), first);
  assert.deepEqual(peer.credentials, first.credentials);
  assert.notEqual(peer.name, first.name);
  const half = contextOf('--compare', 'http://127.0.0.1:3', '--compare-access-key', 'x');
  assert.throws(() => openPeer(half, first), /give both --compare-access-key and --compare-secret-key/);
  assert.throws(
    () => openPeer(contextOf('--compare', 'http://10.0.0.9'), first),
    /--compare http:\/\/10\.0\.0\.9 is not/,
  );
});

test('where nobody watches, progress is the lines that are told and no more', () => {
  let text = '';
  const stream = new Writable({
    write: (chunk, _, done) => {
      text += String(chunk);
      done();
    },
  });
  const progress = startProgress(stream);
  const phase = progress.phase('uploading', 10);
  phase.advance(5);
  progress.timed('round 1', 5);
  progress.tell('round 1  penstock: 5 objects/s');
  phase.end();
  progress.stop();
  assert.equal(text, '  round 1  penstock: 5 objects/s\n');
});
