/** Every way to read an object out of a whole gateway, and what each must give, however the object is stored by then. */
import assert from 'node:assert/strict';
import { PenstockClient } from '../../src/client/client.ts';
import { Connection } from '../../src/client/connection.ts';
import { chooseZstd } from '../../src/codec/zstd-binding.ts';
import { crc32Of } from '../../src/format/crc32.ts';
import { BatchesService, BatchFrame, Encoding, GetBatchRequest } from '../../src/format/messages.ts';
import { S3Caller } from '../faults/s3-caller.ts';
import { type CorpusObject, sha256, someRanges } from './coded-corpus.ts';
import { type GatewayProcess, ROOT } from './gateway-process.ts';

const RANGES = 2;
const CALL_MS = 60_000;

/** What was said of an object when it was written. */
export interface StoredObject extends CorpusObject {
  readonly bucket: string;
  /** Without quotes. */
  readonly etag: string;
  /** `x-amz-checksum-crc32`, where the writer gave it. */
  readonly checksum: string | undefined;
}

/** Objects that came as one zstd frame, because the reader took them so. */
export interface Frames {
  readonly overS3: number;
  readonly overGrpc: number;
}

export function crcBase64(bytes: Buffer): string {
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32Of(bytes, 0) >>> 0);
  return crc.toString('base64');
}

/** Connections to one gateway: two for S3, so that both of its workers are asked. */
export class CodedReads {
  readonly client: PenstockClient;
  readonly callers: readonly S3Caller[];
  readonly #raw: Connection;
  readonly #zstd = chooseZstd();
  #seed: number;

  /** @param seed of the ranges */
  constructor(gateway: GatewayProcess, seed = 1) {
    const options = {
      endpoint: gateway.grpc,
      accessKeyId: ROOT.PENSTOCK_ACCESS_KEY,
      secretKey: ROOT.PENSTOCK_SECRET_KEY,
    };
    this.client = new PenstockClient(options);
    this.#raw = new Connection(options);
    this.callers = [new S3Caller(gateway.s3), new S3Caller(gateway.s3)];
    this.#seed = seed;
  }

  close(): void {
    this.client.close();
    this.#raw.close();
    for (const caller of this.callers) caller.close();
  }

  /** Reads every object in every way. Ranges come first, so that they are not cut out of what a whole read left in the cache. */
  async all(objects: readonly StoredObject[]): Promise<Frames> {
    const half = objects.length >> 1;
    const turn = this.#seed++ % 2;
    const [first, second] = [this.callers[turn], this.callers[1 - turn]] as [S3Caller, S3Caller];
    await this.#rangesOverGrpc(objects);
    const [a, b] = await Promise.all([
      this.#overS3(first, objects.slice(0, half)),
      this.#overS3(second, objects.slice(half)),
    ]);
    await this.#wholeOverGrpc(objects);
    return { overS3: a + b, overGrpc: await this.#framesOverGrpc(objects) };
  }

  /** Reads everything again and again until something has happened. @throws what kept it from happening */
  async allUntil(objects: readonly StoredObject[], happened: Promise<void>): Promise<void> {
    let isOver = false;
    const end = happened.finally(() => {
      isOver = true;
    });
    end.catch(() => {}); // told below, unless a read fails first
    while (!isOver) await this.all(objects);
    await end;
  }

  async #overS3(caller: S3Caller, objects: readonly StoredObject[]): Promise<number> {
    let frames = 0;
    for (const [i, object] of objects.entries()) {
      const { bucket, key, bytes } = object;
      for (const { start, end } of someRanges(bytes.length, RANGES, this.#seed * 1000 + i))
        await this.#rangeOverS3(caller, object, `bytes=${start}-${end - 1}`, start, end);
      const suffix = Math.min(bytes.length, 1 + (i % 700));
      if (suffix > 0) await this.#rangeOverS3(caller, object, `bytes=-${suffix}`, bytes.length - suffix, bytes.length);
      await this.#wholeOverS3(caller, object);
      const headers = { 'accept-encoding': 'zstd' };
      const reply = await caller.expect(200, 'GET', bucket, key, { headers });
      const encoding = reply.headers['content-encoding'];
      if (encoding !== undefined) {
        assert.equal(encoding, 'zstd', key);
        assert.ok(reply.body.length < bytes.length, key);
        frames++;
      }
      const body = encoding === undefined ? reply.body : this.#zstd.decompress(reply.body, bytes.length);
      assert.equal(sha256(body), object.sha256, `${bucket}/${key}, taken as zstd`);
    }
    return frames;
  }

  async #wholeOverS3(
    caller: S3Caller,
    { bucket, key, bytes, etag, checksum, sha256: sum }: StoredObject,
  ): Promise<void> {
    const headers = { 'x-amz-checksum-mode': 'ENABLED' };
    for (const method of ['HEAD', 'GET']) {
      const reply = await caller.expect(200, method, bucket, key, { headers });
      const told = reply.headers;
      const facts = [told.etag, told['content-length'], told['content-encoding'], told['x-amz-checksum-crc32']];
      assert.deepEqual(facts, [`"${etag}"`, String(bytes.length), undefined, checksum], `${method} ${bucket}/${key}`);
      if (method === 'GET') assert.equal(sha256(reply.body), sum, `${bucket}/${key}`);
    }
  }

  async #rangeOverS3(
    caller: S3Caller,
    { bucket, key, bytes, etag }: StoredObject,
    range: string,
    start: number,
    end: number,
  ): Promise<void> {
    const reply = await caller.expect(206, 'GET', bucket, key, { headers: { range } });
    const told = [reply.headers.etag, reply.headers['content-range']];
    assert.deepEqual(told, [`"${etag}"`, `bytes ${start}-${end - 1}/${bytes.length}`], `${bucket}/${key}, ${range}`);
    assert.ok(reply.body.equals(bytes.subarray(start, end)), `${bucket}/${key}, ${range}`);
  }

  async #rangesOverGrpc(objects: readonly StoredObject[]): Promise<void> {
    const refs = objects.flatMap(({ bucket, key, bytes }, i) =>
      someRanges(bytes.length, RANGES, this.#seed * 2000 + i).map((range) => ({ bucket, key, range, bytes })),
    );
    const bucket = objects[0]?.bucket as string;
    let results = 0;
    for await (const result of this.client.getBatch(refs, { bucket })) {
      const { key, range, bytes } = refs[result.slot] as (typeof refs)[number];
      assert.ok(result.ok, `${key}: ${String(result.ok || result.error)}`);
      assert.ok(result.body.equals(bytes.subarray(range.start, range.end)), `${key}, ${range.start} to ${range.end}`);
      assert.equal(result.info.size, bytes.length, key);
      results++;
    }
    assert.equal(results, refs.length);
  }

  async #wholeOverGrpc(objects: readonly StoredObject[]): Promise<void> {
    const refs = objects.map(({ bucket, key }) => ({ bucket, key }));
    const bucket = objects[0]?.bucket as string;
    let results = 0;
    for await (const result of this.client.getBatch(refs, { bucket, order: 'strict' })) {
      const { key, bytes, etag, sha256: sum } = objects[result.slot] as StoredObject;
      assert.ok(result.ok, `${key}: ${String(result.ok || result.error)}`);
      assert.equal(sha256(result.body), sum, key);
      assert.deepEqual([result.info.size, result.info.etag], [bytes.length, etag], key);
      results++;
    }
    assert.equal(results, refs.length);
    for (const { bucket: of, key, bytes, etag } of objects.slice(0, 50)) {
      const info = await this.client.stat(key, { bucket: of });
      assert.deepEqual([info?.size, info?.etag], [bytes.length, etag], key);
      if (info?.crc32 !== undefined) assert.equal(info.crc32, crc32Of(bytes, 0) >>> 0, key);
    }
  }

  /** As a client would that decodes for itself: the published one does not ask for frames. */
  async #framesOverGrpc(objects: readonly StoredObject[]): Promise<number> {
    const parts = objects.map((): Buffer[] => []);
    let frames = 0;
    const call = this.#raw.open(BatchesService.getBatch.path, CALL_MS, undefined);
    const refs = objects.map(({ bucket, key }) => ({ bucket, key }));
    await call.write(GetBatchRequest.encode({ refs, acceptEncodings: [Encoding.ENCODING_ZSTD] }));
    call.halfClose();
    for (let message = await call.next(); message !== undefined; message = await call.next()) {
      const { entries, payload } = BatchFrame.decode(message);
      let at = 0;
      for (const { slot, length, error, encoding, crc32 } of entries) {
        const { key, bytes } = objects[slot] as StoredObject;
        assert.equal(error, undefined, key);
        let part = payload.subarray(at, at + length);
        at += length;
        if (encoding === Encoding.ENCODING_ZSTD) {
          part = this.#zstd.decompress(part, bytes.length);
          frames++;
        }
        assert.equal(crc32Of(part, 0) >>> 0, crc32, key);
        parts[slot]?.push(Buffer.from(part));
      }
    }
    for (const [i, { key, sha256: sum }] of objects.entries())
      assert.equal(sha256(Buffer.concat(parts[i] as Buffer[])), sum, `${key}, in frames`);
    return frames;
  }
}
