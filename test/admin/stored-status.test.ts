/** What the keeper counts, as `GET /status` arranges it: totals leave nothing out and count nothing twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTENT_CLASS } from '../../src/format/content.ts';
import { addUp, metricsPage } from '../../src/fronts/admin/exposition.ts';
import { storedOf } from '../../src/fronts/admin/stored-status.ts';
import { classMetrics, codingMetrics } from '../../src/service/class-metrics.ts';
import { metric } from '../../src/service/metrics.ts';

const account = (objects: number, bytesIn: number, bytesStored: number) => ({ objects, bytesIn, bytesStored });
const NOTHING = account(0, 0, 0);
const NO_STATS = {
  objects: 0,
  volumes: 0,
  liveBytes: 0,
  deadBytes: 0,
  indexBytes: 0,
  classes: Array.from({ length: 16 }, () => NOTHING),
  parts: NOTHING,
  dictionaries: NOTHING,
  totalBytes: 0,
  freeBytes: 0,
};
const CODING = { objects: 9, coded: 7, bytesIn: 4000, bytesOut: 1000, mismatches: 1, unreadable: 2 };

function holding(byClass: Readonly<Record<number, ReturnType<typeof account>>>, more: Partial<typeof NO_STATS> = {}) {
  const classes = NO_STATS.classes.map((none, number) => byClass[number] ?? none);
  return classMetrics({ ...NO_STATS, ...more, classes });
}

const { unexamined, ct, compressed } = CONTENT_CLASS;
const index = metric('gauge', 'penstock_index_bytes', 'Bytes.', 50);

test('every class is a label of its own, also without objects', async () => {
  const { text } = await metricsPage(
    await addUp([[...holding({ [ct]: account(2, 900, 300) }), ...codingMetrics(CODING)]]),
  );
  for (const line of [
    'penstock_class_objects{class="ct"} 2',
    'penstock_class_bytes{class="ct"} 900',
    'penstock_class_stored_bytes{class="ct"} 300',
    'penstock_class_objects{class="unexamined"} 0',
    'penstock_class_objects{class="other"} 0',
    'penstock_coding_objects_total{outcome="coded"} 7',
    'penstock_coding_objects_total{outcome="raw"} 2',
    'penstock_coding_read_bytes_total 4000',
    'penstock_coding_stored_bytes_total 1000',
    'penstock_codec_mismatches_total 1',
    'penstock_coding_unreadable_total 2',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line}\n---\n${text}`);
  }
});

test('the total has dictionaries, parts and index besides the classes', async () => {
  const byClass = {
    [unexamined]: account(4, 400, 440),
    [ct]: account(2, 900, 300),
    [compressed]: account(1, 100, 110),
  };
  const keeper = [
    ...holding(byClass, { parts: account(3, 600, 660), dictionaries: account(2, 90, 40) }),
    ...codingMetrics(CODING),
    index,
  ];
  const worker = [metric('gauge', 'penstock_cache_bytes', 'Bytes.', 7)];
  assert.deepEqual(storedOf(await addUp([keeper, worker])), {
    classes: [
      { class: 'unexamined', objects: 4, bytes: 400, storedBytes: 440, ratio: 400 / 440 },
      { class: 'ct', objects: 2, bytes: 900, storedBytes: 300, ratio: 3 },
      { class: 'compressed', objects: 1, bytes: 100, storedBytes: 110, ratio: 100 / 110 },
    ],
    parts: { count: 3, bytes: 600, storedBytes: 660 },
    dictionaries: { count: 2, storedBytes: 40 },
    indexBytes: 50,
    total: { objects: 7, bytes: 2000, storedBytes: 1600, ratio: 2000 / 1600 },
    backlog: { objects: 4, bytes: 400 },
    coding: { coded: 7, raw: 2, mismatches: 1, unreadable: 2 },
  });
});

test('a store without objects has no ratio, and a keeper without a coder no counts of coding', () => {
  const stored = storedOf([...holding({}), ...codingMetrics(undefined)]);
  assert.deepEqual(stored?.classes, []);
  assert.deepEqual(stored?.total, { objects: 0, bytes: 0, storedBytes: 0, ratio: null });
  assert.deepEqual(stored?.backlog, { objects: 0, bytes: 0 });
  assert.deepEqual(stored?.coding, { coded: 0, raw: 0, mismatches: 0, unreadable: 0 });
});

test('storage that knows of no classes has nothing to say', () => {
  assert.equal(storedOf([index]), undefined);
});
