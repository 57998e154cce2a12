/** Frames of a PutBatch, and the method on a store that a test can hold up. */
import { crc32 } from '@node-rs/crc32';
import { parseBucketName, parseObjectKey } from '../../src/base/names.ts';
import type { ObjectStore } from '../../src/base/object-store.ts';
import type { Input } from '../../src/format/message-type.ts';
import { type PutEntry, PutFrame, type PutHeader, PutResult } from '../../src/format/messages.ts';
import { putBatchMethod } from '../../src/fronts/grpc/put-batch.ts';
import type { GrpcMethod } from '../../src/fronts/grpc/server-call.ts';
import { bytesOf, noise } from '../contract/scene.ts';
import { MAIN } from '../s3/users.ts';
import type { HandMadeCall } from './hand-made-call.ts';
import { callAs, openPlane, type Plane, reasonOf } from './services-scene.ts';

export const BUCKET = parseBucketName('images');

export async function scene(objects?: (whole: ObjectStore) => ObjectStore): Promise<Plane> {
  const plane = await openPlane();
  await plane.storage.buckets.create(BUCKET, MAIN.ownerId, { acl: 'private' });
  if (objects === undefined) return plane;
  return { ...plane, storage: { ...plane.storage, objects: objects(plane.storage.objects) } };
}

export interface Item {
  readonly slot: number;
  readonly bytes: Buffer;
  readonly header?: Partial<Input<PutHeader>>;
  readonly crc32?: number;
  /** Goes on with a slot of an earlier entry. */
  readonly isRest?: boolean;
}

export function entryOf({ slot, bytes, header, crc32, isRest }: Item): Input<PutEntry> {
  const plain = {
    bucket: BUCKET,
    key: `k${slot}`,
    size: bytes.length,
    contentType: '',
    metadata: {},
    ifAbsent: false,
    ifMatch: '',
  };
  return { slot, header: isRest === true ? undefined : { ...plain, ...header }, length: bytes.length, crc32 };
}

export function frame(...items: Item[]): Buffer {
  return PutFrame.encode({ entries: items.map(entryOf), payload: Buffer.concat(items.map(({ bytes }) => bytes)) });
}

export interface Running {
  readonly call: HandMadeCall;
  readonly done: Promise<void>;
  results(): PutResult[];
}

export function begin(method: GrpcMethod, user = MAIN): Running {
  const call = callAs(user, method);
  const done = method.handle(call);
  done.catch(() => {});
  return { call, done, results: () => call.sent.map((message) => PutResult.decode(message)) };
}

export async function putAll(plane: Plane, frames: Buffer[], user = MAIN): Promise<PutResult[]> {
  const running = begin(putBatchMethod(plane), user);
  running.call.send(...frames).end();
  await running.done;
  return running.results();
}

export async function stored(plane: Plane, key: string): Promise<Buffer | undefined> {
  const read = await plane.storage.objects.get(BUCKET, parseObjectKey(key), {});
  return read === undefined ? undefined : bytesOf(read);
}

export const bySlot = (results: readonly PutResult[]) => [...results].sort((a, b) => a.slot - b.slot);
export const reasons = (results: readonly PutResult[]) =>
  bySlot(results).map(({ slot, error }) => [slot, reasonOf(error)]);

/** A store whose writes wait until they are let through. */
export function gated(): { wrap: (whole: ObjectStore) => ObjectStore; readonly waiting: string[]; open(): void } {
  const waiting: string[] = [];
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const wrap = (whole: ObjectStore): ObjectStore =>
    Object.assign(Object.create(whole) as ObjectStore, {
      put: async (...args: Parameters<ObjectStore['put']>) => {
        waiting.push(args[1]);
        await opened;
        return whole.put(...args);
      },
      get: whole.get.bind(whole),
      head: whole.head.bind(whole),
    });
  return { wrap, waiting, open };
}

export const turn = () => new Promise(setImmediate);

/** The frames of an object that is larger than one. */
export function large(
  slot: number,
  bytes: Buffer,
  frameBytes: number,
  header: Partial<Input<PutHeader>> = {},
): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += frameBytes) {
    const part = bytes.subarray(at, at + frameBytes);
    frames.push(
      frame({ slot, bytes: part, crc32: crc32(part), isRest: at > 0, header: { ...header, size: bytes.length } }),
    );
  }
  return frames;
}

export const some = noise(10);
