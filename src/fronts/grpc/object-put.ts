/**
 * Objects.Put. Promises: an object is stored only when its stream came to its end, with exactly the bytes that its header announced and
 * the CRC-32 that the sender gave, if any; the store takes bytes while they come, and the sender waits when it does not.
 *
 * Hardest decision: a body of up to 1 MiB is gathered before the store hears of it, as on the S3 front, because the store sets memory
 * aside for every body that it is given, and a sender who dawdles would keep others from it.
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { StoredAttributes } from '../../base/object-info.ts';
import type { PutSource } from '../../base/object-store.ts';
import { ObjectInfo, PutChunk } from '../../format/messages.ts';
import { callerOf, type DataPlane, openBucket, requireAction } from './access.ts';
import { BodyCheck } from './body-check.ts';
import { decodeRequest } from './decode-request.ts';
import { objectInfoOf } from './object-info.ts';
import { PacedMessages } from './paced-messages.ts';
import { type PutTarget, parsePutHeader } from './put-header.ts';
import type { ServerCall } from './server-call.ts';

export async function putObject(plane: DataPlane, call: ServerCall): Promise<void> {
  const caller = callerOf(plane, call);
  const messages = new PacedMessages(call);
  const first = await messages.next();
  if (first === undefined)
    throw new GatewayError('InvalidArgument', 'The call ended without a message; the first one has the header.');
  const chunk = decodeRequest(PutChunk, first);
  const { header } = chunk;
  if (header === undefined) throw new GatewayError('InvalidArgument', 'The first message has no header.');
  call.resource = `/${header.bucket}/${header.key}`;
  const bucket = openBucket(plane, caller, header.bucket);
  requireAction(bucket, 'write');
  const target = parsePutHeader(header);
  const body = new IncomingBody(messages, new BodyCheck(plane.hashes, header.size), target);
  const data = body.take(chunk);
  const source = await body.source(data);
  const info = await plane.storage.objects.put(bucket.name, target.key, source, target.conditions, call.signal);
  await call.write(ObjectInfo.encode(objectInfoOf(bucket.name, target.key, info)));
}

/** The chunks of one call, checked on their way. */
class IncomingBody {
  readonly #messages: PacedMessages;
  readonly #check: BodyCheck;
  readonly #target: PutTarget;
  #crc: number | undefined;

  constructor(messages: PacedMessages, check: BodyCheck, target: PutTarget) {
    this.#messages = messages;
    this.#check = check;
    this.#target = target;
  }

  /** The bytes of a chunk. @throws GatewayError */
  take(chunk: PutChunk): Buffer {
    const { crc32, data } = chunk;
    if (crc32 !== undefined && this.#crc !== undefined && crc32 !== this.#crc)
      throw new GatewayError('InvalidArgument', 'Two messages give different CRC-32 of the whole object.');
    this.#crc ??= crc32;
    this.#check.add(data);
    return data;
  }

  async source(first: Buffer): Promise<PutSource> {
    if (this.#check.size > LIMITS.bodyCollectBytesMax) {
      const chunks = this.#rest(first);
      return { kind: 'stream', chunks, sizeHint: this.#check.size, seal: () => this.#seal() };
    }
    const pieces: Buffer[] = [];
    for await (const piece of this.#rest(first)) if (piece.length > 0) pieces.push(piece);
    const stored = this.#seal();
    if (pieces.length <= 1) return { kind: 'bytes', bytes: pieces[0] ?? Buffer.alloc(0), stored };
    return { kind: 'stream', chunks: each(pieces), sizeHint: this.#check.size, seal: () => stored };
  }

  async *#rest(first: Buffer): AsyncGenerator<Buffer, void, undefined> {
    yield first;
    for (let message = await this.#messages.next(); message !== undefined; message = await this.#messages.next()) {
      const chunk = decodeRequest(PutChunk, message);
      if (chunk.header !== undefined)
        throw new GatewayError('InvalidArgument', 'Only the first message has a header; a call writes one object.');
      yield this.take(chunk);
    }
  }

  #seal(): StoredAttributes {
    const { contentType, attributes } = this.#target;
    return { etag: this.#check.settle(this.#crc), contentType, attributes };
  }
}

async function* each(pieces: readonly Buffer[]): AsyncGenerator<Buffer, void, undefined> {
  yield* pieces;
}
