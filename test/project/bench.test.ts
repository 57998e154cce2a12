/** Benchmarks start, and their arithmetic and parsers are right. What they measure is judged by people, never here. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Belongings } from '../../bench/measure/belongings.ts';
import { describeMachine } from '../../bench/measure/machine.ts';
import { BenchError, parseNumbers, parseOptions, usageOf } from '../../bench/measure/options.ts';
import { cpuIn, memoryIn, memoryOf } from '../../bench/measure/processes.ts';
import { formatFigure, formatMarkdown, formatTable } from '../../bench/measure/report.ts';
import { alternate, medianOf, ratioOf, summarise } from '../../bench/measure/rounds.ts';
import { Epoch } from '../../bench/rig/epoch.ts';
import { parseFio } from '../../bench/rig/fio.ts';
import { loopDelayIn } from '../../bench/rig/gateway.ts';
import { type FrameShape, Http2Batches, shapesOf } from '../../bench/rig/http2-batch.ts';
import { Floor } from '../../bench/rig/http2-floor.ts';
import { keyAt, shuffledPosition } from '../../bench/rig/index-content.ts';
import { percentile } from '../../bench/rig/put-clients.ts';
import { takeAnswer } from '../../bench/rig/raw-connection.ts';
import { parseWrk } from '../../bench/rig/wrk.ts';
import { batchFrameHead } from '../../src/fronts/grpc/batch-frame.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const WITH_OPTIONS = [
  'batch',
  'codec-pool',
  'compression',
  'grpc-batch',
  'index',
  'put',
  'put-batch',
  'read',
  's3-get',
  'start',
];

test('every benchmark with options loads and explains itself', () => {
  const files = readdirSync(`${root}bench`).filter((name) => name.endsWith('.ts'));
  for (const name of WITH_OPTIONS) {
    assert.ok(files.includes(`${name}.ts`), `bench/${name}.ts is missing`);
    const args = ['--import', 'tsx', `bench/${name}.ts`, '--help'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.match(stdout, new RegExp(`^Usage: npm run bench -- ${name} `));
    assert.match(stdout, /--rounds <N>.*\n.*--json/s);
  }
});

test('contenders take turns, and ratios are taken within a round', async () => {
  const order: string[] = [];
  const contender = (name: string, values: number[]) => ({
    name,
    run: () => {
      order.push(name);
      return { cost: values.shift() ?? Number.NaN };
    },
  });
  const series = await alternate([contender('a', [2, 40, 6]), contender('b', [1, 10, 4])], 3);
  assert.deepEqual(order, ['a', 'b', 'a', 'b', 'a', 'b']);
  assert.deepEqual(series, [
    { contender: 'a', measure: 'cost', values: [2, 40, 6] },
    { contender: 'b', measure: 'cost', values: [1, 10, 4] },
  ]);
  const ratio = ratioOf(series, 'cost', 'a', 'b');
  assert.equal(ratio.median, 2); // of 2, 4 and 1.5
  assert.equal(ratio.best, 2); // 2 / 1
  assert.equal(ratioOf(series, 'cost', 'a', 'b', 'more').best, 4); // 40 / 10
  assert.throws(() => ratioOf(series, 'cost', 'a', 'c'), /c has no measure "cost"/);
  assert.equal(medianOf(series, 'a', 'cost'), 6);
  assert.equal(medianOf(series, 'c', 'cost'), undefined);
});

test('a median stands in the middle, also of an even number', () => {
  assert.deepEqual(summarise([9, 1, 5]), { min: 1, median: 5, max: 9 });
  assert.deepEqual(summarise([4, 1, 3, 2]), { min: 1, median: 2.5, max: 4 });
  assert.throws(() => summarise([]));
  const sorted = Float64Array.from({ length: 200 }, (_, i) => i + 1);
  assert.equal(percentile(sorted, 0.5), 100);
  assert.equal(percentile(sorted, 0.99), 198);
  assert.equal(percentile(sorted, 1), 200);
});

test('options have defaults, are parsed by their kind, and are refused by name', () => {
  const table = { rounds: [7, 'rounds'], json: ['', 'file'], cold: [false, 'cold'] } as const;
  assert.deepEqual(parseOptions(table, []), { rounds: 7, json: '', cold: false });
  assert.deepEqual(parseOptions(table, ['--rounds', '3', '--cold']), { rounds: 3, json: '', cold: true });
  assert.throws(
    () => parseOptions(table, ['--rounds', 'many']),
    new BenchError('--rounds is "many"; expected a number of 0 or more.'),
  );
  assert.throws(() => parseOptions(table, ['--colder']), /--colder/);
  assert.deepEqual(parseNumbers('sizes', '4,10,320'), [4, 10, 320]);
  for (const text of ['', '4,', '4,x', '0', '-1'])
    assert.throws(() => parseNumbers('sizes', text), /^BenchError: --sizes is ".*"; expected numbers above 0/);
  assert.match(
    usageOf('x', 'Why.', table),
    / {2}--rounds <N> +rounds \(default: 7\)\n {2}--json <TEXT> +file\n {2}--cold +cold\n/,
  );
});

test('figures keep three digits, and tables are aligned', () => {
  assert.deepEqual([0.1234, 1.234, 12.34, 123.4, 12_345.6].map(formatFigure), [
    '0.123',
    '1.23',
    '12.3',
    '123',
    '12,346',
  ]);
  const table = formatTable([
    ['', '', 'min'],
    ['nginx', 'CPU', '9.1'],
    ['a', 'requests', '12.5'],
  ]);
  assert.equal(table, '                  min\nnginx  CPU        9.1\na      requests  12.5');
});

test('tables can be copied into Markdown', () => {
  const rows = [
    ['objects', 'GetBatch'],
    ['10 KiB', '9.1'],
  ];
  assert.equal(
    formatMarkdown({ title: 'CPU', rows }),
    'CPU\n\n| objects | GetBatch |\n| --- | ---: |\n| 10 KiB | 9.1 |',
  );
});

test('CPU time is read behind names with spaces and parentheses', () => {
  const stat = `42 (penstock (x) y) S ${Array.from({ length: 40 }, (_, i) => i + 4).join(' ')}\n`;
  assert.deepEqual(cpuIn(stat), { user: 0.14, system: 0.15 }); // fields 14 and 15 of proc(5)
});

test('the machine is described, and memory of a process is told apart', () => {
  const machine = describeMachine();
  assert.ok(machine.cores > 0 && machine.cpu !== '' && machine.node === process.version);
  assert.deepEqual(memoryIn('Name:\tx\nVmRSS:\t   300 kB\nRssAnon:\t     200 kB\nRssFile:\t      99 kB\n'), {
    anonymousBytes: 200 * 1024,
    fileBytes: 99 * 1024,
  });
  assert.ok(memoryOf('self').anonymousBytes > 1e6);
});

test('results of wrk and fio are read, and failures are not taken for results', () => {
  const line = 'RESULT {"requests":10,"seconds":1.5,"bytes":99,"failures":0,"p50Us":5,"p99Us":9}';
  assert.deepEqual(parseWrk(`Running\n${line}\n`), {
    requests: 10,
    seconds: 1.5,
    bytes: 99,
    failures: 0,
    p50Us: 5,
    p99Us: 9,
  });
  assert.throws(() => parseWrk('unable to connect'), /wrk gave no result:\nunable to connect/);
  const job = {
    error: 0,
    write: { iops: 100, bw_bytes: 1_638_400 },
    sync: { lat_ns: { percentile: { '50.000000': 2_000_000, '99.000000': 5_000_000 } } },
  };
  const output = (error: number) => `fio: note\n${JSON.stringify({ jobs: [{ ...job, error }] })}`;
  assert.deepEqual(parseFio(output(0)), {
    writesPerSecond: 100,
    bytesPerSecond: 1_638_400,
    syncP50Ms: 2,
    syncP99Ms: 5,
  });
  assert.throws(() => parseFio(output(5)), /fio failed/);
});

test('an answer is taken only when it is whole, and the next one is left', () => {
  const whole = 'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 5\r\n\r\nhello';
  for (let cut = 0; cut < whole.length; cut += 1) assert.equal(takeAnswer(Buffer.from(whole.slice(0, cut))), undefined);
  const taken = takeAnswer(Buffer.from(`${whole}HTTP/1.1 404`));
  assert.equal(taken?.answer.status, 200);
  assert.equal(taken?.answer.body.toString(), 'hello');
  assert.equal(taken?.rest.toString(), 'HTTP/1.1 404');
});

test('the shuffle of keys visits each once, in another order than theirs', () => {
  for (const count of [1, 10, 1000, 4096]) {
    const visited = Array.from({ length: count }, (_, step) => shuffledPosition(step, count));
    assert.equal(new Set(visited).size, count);
    assert.ok(visited.every((position) => position >= 0 && position < count));
  }
  const keys = Array.from({ length: 2000 }, (_, position) => keyAt(position));
  assert.deepEqual(keys, [...keys].sort());
  const positions = Array.from({ length: 1000 }, (_, step) => shuffledPosition(step, 1000));
  const neighbours = positions.filter(
    (position, step) => step > 0 && Math.abs(position - (positions[step - 1] ?? 0)) < 5,
  );
  assert.equal(neighbours.length, 0);
});

test('an epoch has every position once, in an order that changes', () => {
  const epoch = new Epoch(1000);
  const taken = () => Array.from({ length: 4 }, () => epoch.take(250)).flat();
  const [first, second] = [taken(), taken()];
  for (const order of [first, second]) assert.equal(new Set(order).size, 1000);
  assert.notDeepEqual(first, second);
  epoch.take(900);
  assert.equal(epoch.left, 100);
  assert.equal(new Set(epoch.take(200)).size, 200); // not 100 of one epoch and 100 of the next
});

test('the delay of an event loop is found among the metrics', () => {
  const metrics = [
    '# TYPE penstock_event_loop_delay_seconds gauge',
    'penstock_event_loop_delay_seconds{process="keeper",quantile="0.99"} 9',
    'penstock_event_loop_delay_seconds{process="worker-1",quantile="0.5"} 8',
    'penstock_event_loop_delay_seconds{process="worker-1",quantile="0.99"} 0.0125',
    'penstock_event_loop_delay_max_seconds{process="worker-1"} 0.5',
  ].join('\n');
  assert.deepEqual(loopDelayIn(metrics, 'worker-1'), { p99Ms: 12.5, maxMs: 500 });
  assert.ok(Number.isNaN(loopDelayIn(metrics, 'worker-2').p99Ms));
});

/** A frame of two objects as the gateway lays it out, with `payloadBytes` of payload. */
function frameOf(payloadBytes: number): Buffer {
  const half = payloadBytes / 2;
  const entries = [0, 1].map((slot) => ({ slot, offset: 0, length: half, isLast: true, crc32: 0x7f7f7f7f }));
  const end = { ok: 2, failed: 0, unservedSlots: [], bytes: payloadBytes, cacheHits: 0, serverMs: 1 };
  return Buffer.concat([batchFrameHead(entries, new Map(), end), Buffer.alloc(payloadBytes, 0x7a)]);
}

test('the floor sends the frames that were recorded, with other bytes in them', async () => {
  const frames = [300, 200_000, 0].map(frameOf);
  const shapes = shapesOf(Buffer.concat(frames));
  assert.deepEqual(
    shapes.map(({ head, payloadBytes }) => [Buffer.from(head, 'base64').length + payloadBytes, payloadBytes]),
    frames.map(({ length }, i) => [length, [300, 200_000, 0][i]]),
  );
  const owned = new Belongings();
  try {
    const self = `${root}bench/grpc-batch.ts`;
    const floor = await Floor.start(owned, { self, flag: '--as-floor', core: 1, cores: 0 });
    await floor.use(shapes, 0);
    const batches = await Http2Batches.open(floor.port);
    const chunks: Buffer[] = [];
    const answer = await batches.get('bucket', ['a', 'b'], (chunk) => chunks.push(chunk));
    batches.close();
    const sent: readonly FrameShape[] = shapesOf(Buffer.concat(chunks));
    assert.deepEqual(sent, shapes);
    assert.equal(answer.bytes, Buffer.concat(frames).length);
    assert.ok(answer.firstMs > 0);
  } finally {
    await owned.dispose();
  }
});

test('the benchmark of the store measures a small batch from end to end', () => {
  const tiny = ['--sizes', '4', '--objects', '64', '--batch', '16', '--reads', '64', '--rounds', '1'];
  const args = ['--import', 'tsx', 'bench/batch.ts', ...tiny];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  for (const name of ['getBatch', 'get', 'bare pread and CRC'])
    assert.match(stdout, new RegExp(`4 KiB, ${name} +CPU an object`));
  assert.match(stdout, /4 KiB, getBatch \/ 4 KiB, bare pread and CRC/);
});
