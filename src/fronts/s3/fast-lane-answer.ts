// HOT PATH (bench/s3-get.ts: every request of a connection in the fast lane)
/**
 * What the fast lane answers: the whole of an object that is at hand, to somebody who may read it. Promises: status, headers and
 * bytes are those of the ordinary path, whose functions are called here; whenever that path would say anything but 200, or might,
 * there is no answer here and nothing has happened.
 */
import { LIMITS } from '../../base/limits.ts';
import { type BucketName, parseObjectKey } from '../../base/names.ts';
import type { ObjectInfo } from '../../base/object-info.ts';
import type { ObjectStore } from '../../base/object-store.ts';
import { mayReadObject } from '../../service/access.ts';
import type { Credential } from '../../service/credentials.ts';
import { verifySigned } from './authenticate.ts';
import type { LaneRequest } from './fast-lane-parse.ts';
import type { FrontState } from './front.ts';
import { asksChecksums } from './get-object.ts';
import { checksumOf, objectHeaders, pushChecksum } from './object-headers.ts';
import { pushCommon } from './reply.ts';
import { nextRequestId } from './request.ts';

export type GetNow = NonNullable<ObjectStore['getNow']>;

export interface LaneAnswer {
  readonly requestId: string;
  readonly accessKeyId: string | undefined;
  /** Status line and headers up to the empty line, latin1. */
  readonly head: string;
  readonly body: Buffer;
}

const KEEP_ALIVE = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(LIMITS.idleConnectionMs / 1000)}\r\n\r\n`;

/** Length of the first four pairs of `objectHeaders`: of these only the first value, Content-Type, is a client's. */
const FIRST_PAIRS = 8;

export function answerLane(
  front: FrontState,
  getNow: GetNow,
  request: LaneRequest,
  nowMs: number,
): LaneAnswer | undefined {
  try {
    if (front.hosts.bucketOf(request.host) !== undefined) return undefined;
    const signed = { method: 'GET', target: request.target, rawHeaders: request.rawHeaders };
    const credential = request.isSigned ? verifySigned(front, signed, false, nowMs).credential : undefined;
    return readWhole(front, getNow, request, credential, nowMs);
  } catch {
    return undefined; // the ordinary path meets the same fault and explains it
  }
}

function readWhole(
  front: FrontState,
  getNow: GetNow,
  request: LaneRequest,
  credential: Credential | undefined,
  nowMs: number,
): LaneAnswer | undefined {
  const key = parseObjectKey(request.key);
  const bucket = front.storage.buckets.get(request.bucket as BucketName);
  if (bucket === undefined) return undefined;
  const read = getNow(bucket.name, key);
  if (read === undefined || !mayReadObject(credential, bucket, read.info.attributes.acl)) return undefined;
  const headers = objectHeaders(read.info, undefined, front.dates);
  if (!areSendable(headers)) return undefined;
  pushAskedChecksum(headers, read.info, request.checksumMode);
  const requestId = nextRequestId(front);
  pushCommon(headers, front, requestId, read.body.length);
  return { requestId, accessKeyId: credential?.accessKeyId, head: headText(front, headers, nowMs), body: read.body };
}

function pushAskedChecksum(headers: string[], info: ObjectInfo, mode: string | undefined): void {
  if (!asksChecksums(mode)) return;
  const checksum = checksumOf(info);
  if (checksum !== undefined) pushChecksum(headers, checksum);
}

/** node:http looks at every header before it sends one; here those are looked at that a client had a hand in. */
function areSendable(headers: readonly string[]): boolean {
  if (!isPlain(headers[1] as string, false)) return false;
  for (let i = FIRST_PAIRS; i < headers.length; i += 2) {
    if (!isPlain(headers[i] as string, true) || !isPlain(headers[i + 1] as string, false)) return false;
  }
  return true;
}

/** Printable ASCII, and for a name without what ends or splits one; less than HTTP allows, and nearly all that is ever stored. */
function isPlain(text: string, isName: boolean): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return false;
    if (isName && !isNameCharacter(code)) return false;
  }
  return !isName || text.length > 0;
}

/** Letters, digits, `-`, `.` and `_`. */
function isNameCharacter(code: number): boolean {
  const lower = code | 0x20;
  const isLetter = lower >= 0x61 && lower <= 0x7a;
  const isDigit = code >= 0x30 && code <= 0x39;
  return isLetter || isDigit || code === 0x2d || code === 0x2e || code === 0x5f;
}

/** The last three headers are what node:http adds by itself. */
function headText(front: FrontState, headers: readonly string[], nowMs: number): string {
  let text = 'HTTP/1.1 200 OK\r\n';
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${text}Date: ${front.dates.of(nowMs)}\r\n${KEEP_ALIVE}`;
}
