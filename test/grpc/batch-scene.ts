/** GetBatch over a front and over the wire, put together slot by slot, with what must hold of every answer checked. */
import assert from 'node:assert/strict';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { crc32 } from 'node:zlib';
import type { Storage } from '../../src/base/object-store.ts';
import type { Input } from '../../src/format/message-type.ts';
import { type BatchEnd, BatchFrame, type Entry, GetBatchRequest } from '../../src/format/messages.ts';
import { newBatchStats } from '../../src/fronts/grpc/get-batch.ts';
import { penstockMethods } from '../../src/fronts/grpc/services.ts';
import type { Credential } from '../../src/service/credentials.ts';
import { ROOT } from '../s3/users.ts';
import { openPlane, tokenOf } from './services-scene.ts';
import { framed, outcome, request, Scene } from './transport-scene.ts';

export const GET_BATCH = '/penstock.v1.Batches/GetBatch';

export interface BatchAnswer {
  readonly status: string | undefined;
  readonly message: string | undefined;
  readonly rstCode: number;
  readonly frames: readonly BatchFrame[];
  readonly end: BatchEnd | undefined;
}

/** One slot of an answer. */
export interface Slot {
  readonly bytes: Buffer;
  readonly entries: readonly Entry[];
}

export class BatchScene {
  readonly front: Scene;
  readonly session: ClientHttp2Session;
  readonly stats = newBatchStats();

  private constructor(front: Scene, session: ClientHttp2Session, stats: BatchScene['stats']) {
    this.front = front;
    this.session = session;
    this.stats = stats;
  }

  static async open(storage: Storage): Promise<BatchScene> {
    const stats = newBatchStats();
    const methods = penstockMethods(await openPlane(storage), stats);
    const front = await new Scene({ methods }).listen();
    return new BatchScene(front, await front.session(), stats);
  }

  begin(
    of: Input<GetBatchRequest>,
    { user = ROOT, timeout }: { user?: Credential | null; timeout?: string } = {},
  ): ClientHttp2Stream {
    const stream = request(this.session, GET_BATCH, {
      ...(user !== null && { authorization: tokenOf(user) }),
      ...(timeout !== undefined && { 'grpc-timeout': timeout }),
    });
    stream.end(framed(GetBatchRequest.encode(of)));
    return stream;
  }

  async ask(...of: Parameters<BatchScene['begin']>): Promise<BatchAnswer> {
    const { headers, body, rstCode } = await outcome(this.begin(...of));
    const frames = framesOf(body);
    return {
      status: headers['grpc-status'] as string | undefined,
      message: headers['grpc-message'] as string | undefined,
      rstCode,
      frames,
      end: frames.at(-1)?.end,
    };
  }

  async close(): Promise<void> {
    await this.front.end();
  }
}

/** Whole frames of a body; what is left over of a broken one is dropped. */
export function framesOf(body: Buffer): BatchFrame[] {
  const frames: BatchFrame[] = [];
  let at = 0;
  while (at + 5 <= body.length) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    if (end > body.length) break;
    frames.push(BatchFrame.decode(body.subarray(at + 5, end)));
    at = end;
  }
  return frames;
}

/** An answer that ended well: OK, BatchEnd in its last frame and no other, every byte with its CRC, every slot accounted for. */
export function slotsOf(answer: BatchAnswer, count: number): Slot[] {
  assert.equal(answer.status, '0', answer.message);
  assert.ok(answer.end !== undefined, 'the last frame has the end');
  for (const frame of answer.frames.slice(0, -1)) assert.equal(frame.end, undefined);
  const slots = Array.from({ length: count }, () => ({ chunks: [] as Buffer[], entries: [] as Entry[] }));
  let bytes = 0;
  for (const { entries, payload } of answer.frames) {
    let at = 0;
    for (const entry of entries) {
      const slice = payload.subarray(at, at + entry.length);
      at += entry.length;
      assert.equal(crc32(slice), entry.crc32);
      slots[entry.slot]?.entries.push(entry);
      slots[entry.slot]?.chunks.push(slice);
    }
    assert.equal(at, payload.length, 'the entries describe the payload');
    bytes += payload.length;
  }
  assert.equal(answer.end.bytes, bytes);
  assert.equal(answer.end.ok + answer.end.failed + answer.end.unservedSlots.length, count);
  assert.equal(
    slots.filter(({ entries }) => entries.some(({ error }) => error !== undefined)).length,
    answer.end.failed,
  );
  return slots.map(({ chunks, entries }) => ({ bytes: Buffer.concat(chunks), entries }));
}
