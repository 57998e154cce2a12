/**
 * What a store holds, as people look at it: a gateway with the samples codes them by itself, and `penstock status` and `penstock stat` say
 * what they were found to be and what they take.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { statObject } from '../../src/cli/stat.ts';
import { showStatus } from '../../src/cli/status.ts';
import type { GatewayStatus } from '../../src/fronts/admin/status.ts';
import type { StoredStatus } from '../../src/fronts/admin/stored-status.ts';
import { runVerbHere } from '../cli/in-process-gateway.ts';
import { BUCKET, FaultScene, until } from '../faults/fault-scene.ts';
import type { S3Caller } from '../faults/s3-caller.ts';
import { type GatewayProcess, ROOT } from './gateway-process.ts';

const LIMIT = { timeout: 120_000 };
const SAMPLES = fileURLToPath(new URL('../../samples/', import.meta.url));
const FOLDERS = ['ct', 'mr', 'pet', 'xray'];
const files = FOLDERS.flatMap((folder) => readdirSync(join(SAMPLES, folder)).map((name) => `${folder}/${name}`));
const CT = 'ct/000061.dcm';
const CT_BYTES = readFileSync(join(SAMPLES, CT)).length;
const XRAY = 'xray/00001280_004.png';
const ASK = { 'x-penstock-storage-mode': 'ENABLED' };

function storedIn({ stored }: GatewayStatus): StoredStatus {
  assert.ok(stored !== undefined);
  return stored;
}

describe('the status of a gateway that codes', LIMIT, () => {
  const scene = new FaultScene();
  let gateway: GatewayProcess;
  let caller: S3Caller;
  let bytes = 0;
  before(async () => {
    gateway = await scene.start();
    caller = await scene.withBucket(gateway);
    for (const name of files) {
      const body = readFileSync(join(SAMPLES, name));
      bytes += body.length;
      await caller.expect(200, 'PUT', BUCKET, name, { body });
    }
  });
  after(() => scene.close());

  const run = (verb: Parameters<typeof runVerbHere>[0]) =>
    runVerbHere(verb, { ...ROOT, PENSTOCK_ENDPOINT: gateway.s3, PENSTOCK_ADMIN: gateway.admin });
  const headersOf = async (key: string, headers: Record<string, string>, method = 'HEAD') => {
    const reply = await caller.expect(200, method, BUCKET, key, { headers });
    return Object.keys(reply.headers).filter((name) => name.startsWith('x-penstock-'));
  };

  it('counts every object at once, and has no backlog in the end', async () => {
    const first = storedIn(await gateway.status());
    assert.deepEqual([first.total.objects, first.total.bytes], [files.length, bytes]);
    await until(async () => storedIn(await gateway.status()).backlog.objects === 0, 'the end of coding', 60_000);
    const { backlog, coding, classes } = storedIn(await gateway.status());
    assert.deepEqual([backlog.bytes, coding.mismatches, coding.unreadable], [0, 0, 0]);
    assert.deepEqual(
      classes.map((each) => [each.class, each.objects]),
      [
        ['ct', 2],
        ['mr', 3],
        ['pt', 10],
        ['compressed', files.length - 15],
      ],
    );
  });

  it('adds up: classes, dictionaries and index to the total, and what is in volumes to their live bytes', async () => {
    const status = await gateway.status();
    const { classes, dictionaries, indexBytes, parts, total } = storedIn(status);
    const sum = (of: (each: (typeof classes)[number]) => number) => classes.reduce((all, each) => all + of(each), 0);
    const inVolumes = sum((each) => each.storedBytes) + dictionaries.storedBytes;
    assert.deepEqual(
      [sum((each) => each.objects), sum((each) => each.bytes), inVolumes + indexBytes, parts.count],
      [total.objects, total.bytes, total.storedBytes, 0],
    );
    assert.ok(dictionaries.count > 0 && indexBytes > 0);
    // The record of the bucket is live too.
    const rest = (status.figures.store_live_bytes ?? 0) - inVolumes;
    assert.ok(rest > 0 && rest <= 1024, `${rest} bytes of volumes are in no account`);
    for (const { class: name, ratio } of classes) {
      if (name === 'compressed') assert.ok(ratio !== null && ratio > 0.98 && ratio < 1.1, String(ratio));
      else assert.ok(ratio !== null && ratio > 1.5, `${name}: ${ratio}`);
    }
  });

  it('is a table for people', async () => {
    const { stdout, exitCode } = await run((terminal) => showStatus({ once: true }, terminal));
    assert.equal(exitCode, 0);
    const rows = /^class .*\n((?:.+\n)+)\n/m.exec(stdout)?.[1]?.trimEnd().split('\n') ?? [];
    assert.deepEqual(
      rows.map((row) =>
        row
          .slice(0, 24)
          .replace(/ \(\d+\)/, '')
          .trim(),
      ),
      ['CT', 'MR', 'PT', 'already compressed', 'dictionaries', 'index', 'total'],
      stdout,
    );
    assert.match(rows[0] ?? '', /^CT +2 +1\.00 MiB +\d+ KiB +[2-9]\.\d\d$/);
  });

  it('is told of one object by stat', async () => {
    const { stdout } = await run((terminal) => statObject(`s3://${BUCKET}/${CT}`, {}, terminal));
    assert.match(stdout, /^class +CT$/m);
    assert.match(stdout, /^stored-bytes +1\d\d,\d{3} \(\d+ KiB, ratio 2\.\d\d\)$/m);
    assert.match(stdout, /^codec +in sections: headers and frames apart$/m);
    const facts = JSON.parse(
      (await run((terminal) => statObject(`s3://${BUCKET}/${CT}`, { json: true }, terminal))).stdout,
    ) as Record<string, unknown>;
    assert.deepEqual([facts.size, facts.class, facts.codec], [CT_BYTES, 'ct', 'sections']);
    assert.ok(Number(facts['stored-bytes']) < CT_BYTES / 1.5);
    const xray = await run((terminal) => statObject(`s3://${BUCKET}/${XRAY}`, {}, terminal));
    assert.match(xray.stdout, /^class +already compressed$/m);
    assert.match(xray.stdout, /ratio 1\.00\)\ncodec +none, stored as it came$/m);
  });

  it('is told of an object to a HEAD that asks, and to nobody else', async () => {
    const all = ['x-penstock-class', 'x-penstock-stored-bytes', 'x-penstock-codec'];
    assert.deepEqual(await headersOf(CT, ASK), all);
    assert.deepEqual(await headersOf(CT, {}), []);
    assert.deepEqual(await headersOf(CT, ASK, 'GET'), []);
  });
});
