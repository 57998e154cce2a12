/** A store that codes, watched from outside: writing to it, and waiting for what its keeper does by itself. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LIMITS } from '../../src/base/limits.ts';
import { until } from '../faults/fault-scene.ts';
import type { CorpusObject } from './coded-corpus.ts';
import { type CodedReads, crcBase64, type StoredObject } from './coded-reads.ts';
import { ENTRY, type GatewayProcess } from './gateway-process.ts';

const run = promisify(execFile);

interface Outputs {
  readonly stdout: string;
  readonly stderr: string;
}

const KEEPER_MS = 90_000;
/** Between two looks, so that they cost the threads of the lowest priority nothing. */
const LOOK_MS = 200;

const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex');

export async function putOverS3(
  { callers }: CodedReads,
  bucket: string,
  objects: readonly CorpusObject[],
): Promise<StoredObject[]> {
  const stored: StoredObject[] = [];
  for (const [i, object] of objects.entries()) {
    const checksum = crcBase64(object.bytes);
    const headers = { 'x-amz-checksum-crc32': checksum };
    const { key, bytes: body } = object;
    const reply = await callers[i % callers.length]?.expect(200, 'PUT', bucket, key, { body, headers });
    const etag = md5(body);
    assert.equal(reply?.headers.etag, `"${etag}"`, key);
    stored.push({ ...object, bucket, etag, checksum });
  }
  return stored;
}

export async function putOverGrpc(
  { client }: CodedReads,
  bucket: string,
  objects: readonly CorpusObject[],
): Promise<StoredObject[]> {
  const stored: StoredObject[] = [];
  const items = objects.map(({ key, bytes }) => ({ key, body: bytes }));
  for await (const result of client.putBatch(items, { bucket })) {
    assert.ok(result.ok, `${result.key}: ${String(result.ok || result.error)}`);
    const object = objects[result.slot] as CorpusObject;
    const { size, etag, crc32 } = result.info;
    assert.equal(size, object.bytes.length);
    // Of an object in several extents the gateway has no CRC-32, unless its writer gave one.
    if (size <= LIMITS.extentBytes) assert.ok(crc32 !== undefined, object.key);
    stored.push({ ...object, bucket, etag, checksum: crc32 === undefined ? undefined : crcBase64(object.bytes) });
  }
  assert.equal(stored.length, objects.length);
  return stored;
}

/** One object in two parts, which stays in them. */
export async function putInParts(
  { callers: [caller] }: CodedReads,
  bucket: string,
  object: CorpusObject,
): Promise<StoredObject> {
  assert.ok(caller);
  const { key, bytes } = object;
  const begun = await caller.expect(200, 'POST', bucket, key, { query: 'uploads=' });
  const id = /<UploadId>([^<]*)</.exec(begun.body.toString())?.[1] ?? '';
  const cut = 5 * 1024 * 1024 + 1;
  const parts = [bytes.subarray(0, cut), bytes.subarray(cut)];
  let xml = '';
  for (const [i, body] of parts.entries()) {
    const query = `partNumber=${i + 1}&uploadId=${id}`;
    const { headers } = await caller.expect(200, 'PUT', bucket, key, { query, body });
    xml += `<Part><PartNumber>${i + 1}</PartNumber><ETag>${headers.etag}</ETag></Part>`;
  }
  const body = `<CompleteMultipartUpload>${xml}</CompleteMultipartUpload>`;
  await caller.expect(200, 'POST', bucket, key, { query: `uploadId=${id}`, body });
  const { headers } = await caller.expect(200, 'HEAD', bucket, key);
  const sums = Buffer.concat(parts.map((part) => Buffer.from(md5(part), 'hex')));
  assert.equal(headers.etag, `"${md5(sums)}-2"`);
  return { ...object, bucket, etag: `${md5(sums)}-2`, checksum: undefined };
}

/** A metric of the gateway, of all its processes together; `labels` are parts of what stands in its braces. */
export function figureOf(metrics: string, name: string, ...labels: readonly string[]): number {
  const lines = metrics.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  const found = lines.filter((line) => labels.every((label) => line.includes(label)));
  assert.ok(found.length > 0, `there is no ${name} of ${labels.join(' and ')}`);
  return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

async function untilFigures(gateway: GatewayProcess, what: string, holds: (metrics: string) => boolean): Promise<void> {
  await until(
    async () => {
      await sleep(LOOK_MS);
      return holds(await gateway.metrics());
    },
    what,
    KEEPER_MS,
  );
}

/** Until the keeper has looked at every object. */
export async function untilCoded(gateway: GatewayProcess): Promise<void> {
  await untilFigures(
    gateway,
    'the end of coding',
    (metrics) => figureOf(metrics, 'penstock_class_objects', 'class="unexamined"') === 0,
  );
}

/** Until a volume was compacted of which something was still needed. */
export async function untilCompacted(gateway: GatewayProcess): Promise<void> {
  await untilFigures(
    gateway,
    'a compaction',
    (metrics) =>
      figureOf(metrics, 'penstock_compaction_volumes_total') > 0 &&
      figureOf(metrics, 'penstock_compaction_copied_bytes_total') > 0,
  );
}

export interface Findings {
  readonly objects: number;
  readonly damaged: readonly unknown[];
  readonly volumeFaults: readonly unknown[];
  readonly indexFaults: readonly unknown[];
}

/** `penstock doctor --deep`, beside the gateway or without one. */
export async function doctorSays(store: string, node = process.execPath): Promise<Findings> {
  const args = ['--import', 'tsx', ENTRY, 'doctor', store, '--deep', '--json'];
  // It ends with 1 when it finds something, and has told it all the same.
  const { stdout, stderr }: Outputs = await run(node, args, { encoding: 'utf8', maxBuffer: 2 ** 26 }).catch(
    (error: Outputs) => error,
  );
  assert.ok(stdout.startsWith('{'), `doctor said nothing: ${stderr}`);
  return JSON.parse(stdout) as Findings;
}

export async function nothingIsWrong(store: string, objects: number, node?: string): Promise<void> {
  const { damaged, volumeFaults, indexFaults, objects: found } = await doctorSays(store, node);
  assert.deepEqual(
    { damaged, volumeFaults, indexFaults, found },
    { damaged: [], volumeFaults: [], indexFaults: [], found: objects },
  );
}
