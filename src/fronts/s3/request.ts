// HOT PATH (bench: every S3 request makes one Exchange)
/**
 * One S3 request as the operations see it: target, headers, who signed it, and what is known of its answer so far. Promises:
 * names come from the raw target, decoded once and never normalised; header values are latin1 strings of the bytes that came;
 * a request that HTTP allows in two readings (two Hosts, HTTP/0.9) is refused before anything is looked up.
 *
 * Hardest decision: one mutable object per request and no layers around it. Handlers take an `Exchange` and answer an `Answer`;
 * what metrics and logs want is noted on the exchange on the way.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BucketInfo } from '../../base/bucket-store.ts';
import { GatewayError } from '../../base/errors.ts';
import { type BucketName, type ObjectKey, parseBucketName, parseObjectKey } from '../../base/names.ts';
import type { VerifiedRequest } from '../../format/sigv4.ts';
import { type PathNames, parseQuery, percentDecode, type QueryPair, splitPath, splitTarget } from '../../format/uri.ts';
import type { Credential } from '../../service/credentials.ts';
import type { FrontState } from './front.ts';

/** `s3Busy`: a request is being worked on, so silence on the wire is no stall. See `server.ts`. */
export type BusySocket = IncomingMessage['socket'] & { s3Busy?: boolean };

/** What fastify must not see is kept here: see `server.ts`. */
export interface S3Message extends IncomingMessage {
  /** The target as it was sent. */
  originalUrl?: string;
  /** `Content-Type`, which is hidden from fastify because it would judge it. */
  contentType?: string | undefined;
  /** `Expect: 100-continue` was sent and not yet answered. */
  expectsContinue?: boolean;
}

/** Who signed a request, and what its body's signatures are chained to. */
export interface Signed {
  readonly credential: Credential;
  readonly verified: VerifiedRequest;
  /** In the query, not in a header. */
  readonly presigned: boolean;
}

export type Level = 'service' | 'bucket' | 'object';

const NO_QUERY: readonly QueryPair[] = [];
export class Exchange {
  readonly front: FrontState;
  readonly req: S3Message;
  readonly res: ServerResponse;
  readonly id: string;
  /** Wall clock: what signatures and dates are judged by. */
  readonly startedMs: number;
  /** Monotonic, with fractions: what durations are counted from. */
  readonly startedAt = performance.now();
  readonly method: string;
  /** As sent: from the first `/` to the first `?`. */
  rawPath = '/';
  rawQuery = '';
  query: readonly QueryPair[] = NO_QUERY;
  /** As the client named it, not yet validated. */
  bucketName: string | undefined = undefined;
  keyName = '';
  operation = 'Unknown';
  signed: Signed | undefined = undefined;
  /** Who signed the policy of a form. */
  formCredential: Credential | undefined = undefined;
  /** Set when the bucket was looked up: CORS headers of the answer need it. */
  bucketInfo: BucketInfo | undefined = undefined;
  /** What reads the body now; the answer stops it. */
  activeBody: { stop(error: undefined): void } | undefined = undefined;
  /** Counts against the limit on requests. */
  admitted = false;
  /** Bytes of its body that it holds whole. */
  collectedBytes = 0;
  bytesIn = 0;
  bytesOut = 0;
  status = 0;
  errorCode: string | undefined = undefined;

  constructor(front: FrontState, req: S3Message, res: ServerResponse, id: string, startedMs: number) {
    this.front = front;
    this.req = req;
    this.res = res;
    this.id = id;
    this.startedMs = startedMs;
    this.method = req.method ?? '';
  }

  /** @throws GatewayError InvalidURI, InvalidRequest */
  parseTarget(): void {
    const { path, query } = splitTarget(this.rawTarget);
    this.rawPath = path;
    this.rawQuery = query;
    if (query !== '') this.query = parseQuery(query);
    const host = this.req.headers.host;
    const label = host === undefined ? undefined : this.front.hosts.bucketOf(host);
    const names: PathNames =
      label === undefined ? splitPath(path) : { bucket: label, key: percentDecode(path.slice(1)) };
    this.bucketName = names.bucket;
    this.keyName = names.key;
  }

  get rawTarget(): string {
    return this.req.originalUrl ?? this.req.url ?? '';
  }

  /** The head announced a body of at least one byte. */
  get hasBody(): boolean {
    const { headers } = this.req;
    if (headers['transfer-encoding'] !== undefined) return true;
    const length = headers['content-length'];
    return length !== undefined && length !== '0';
  }

  get level(): Level {
    if (this.bucketName === undefined) return 'service';
    return this.keyName === '' ? 'bucket' : 'object';
  }

  get credential(): Credential | undefined {
    return this.signed?.credential ?? this.formCredential;
  }

  /** The first value of a query parameter; empty for a flag. */
  param(name: string): string | undefined {
    for (const pair of this.query) if (pair[0] === name) return pair[1];
    return undefined;
  }

  /** A header by lower-case name, several joined by `, `. */
  header(name: string): string | undefined {
    const value = this.req.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** `/bucket/key` for error documents. */
  get resource(): string {
    if (this.bucketName === undefined) return '/';
    return this.keyName === '' ? `/${this.bucketName}` : `/${this.bucketName}/${this.keyName}`;
  }

  /** @throws GatewayError KeyTooLongError, InvalidURI */
  get key(): ObjectKey {
    return parseObjectKey(this.keyName);
  }

  /** Name of the bucket of the target, valid but not looked up. @throws GatewayError InvalidBucketName */
  get newBucketName(): BucketName {
    return parseBucketName(this.bucketName ?? '');
  }

  /** @throws GatewayError NoSuchBucket, AccessDenied (x-amz-expected-bucket-owner) */
  get bucket(): BucketInfo {
    if (this.bucketInfo !== undefined) return this.bucketInfo;
    const bucket = findBucket(this.front, this.bucketName ?? '');
    this.bucketInfo = bucket;
    checkExpectedOwner(bucket, this.header('x-amz-expected-bucket-owner'));
    return bucket;
  }
}

/** @throws GatewayError NoSuchBucket, also for names that no bucket can have */
export function findBucket(front: FrontState, name: string): BucketInfo {
  // A name that is not valid was never stored, so the look-up needs no check of its form.
  const bucket = front.storage.buckets.get(name as BucketName);
  if (bucket !== undefined) return bucket;
  throw new GatewayError('NoSuchBucket', undefined, { resource: `/${name}`, details: { BucketName: name } });
}

/** @throws GatewayError AccessDenied */
export function checkExpectedOwner(bucket: BucketInfo, expected: string | undefined): void {
  if (expected === undefined || expected === bucket.ownerId) return;
  throw new GatewayError('AccessDenied', 'The bucket does not belong to the owner that the request expects.');
}

/** @throws GatewayError InvalidRequest */
export function refuseAmbiguousHttp(req: IncomingMessage): void {
  if (req.httpVersion !== '1.1' && req.httpVersion !== '1.0') {
    throw new GatewayError('InvalidRequest', `HTTP/${req.httpVersion} is not spoken here; use HTTP/1.1.`);
  }
  let hosts = 0;
  const raw = req.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  if (hosts > 1) throw new GatewayError('InvalidRequest', `The request has ${hosts} Host headers; send one.`);
  if (hosts === 0 && req.httpVersion === '1.1')
    throw new GatewayError('InvalidRequest', 'The Host header is missing; HTTP/1.1 needs one.');
  const encoding = req.headers['transfer-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') {
    throw new GatewayError(
      'NotImplemented',
      `Transfer-Encoding "${encoding.slice(0, 80)}" is not implemented; send chunked.`,
    );
  }
}

const ID_DIGITS = 8;

/** 16 upper-case hex digits, unique over workers and restarts as far as 32 random bits go. */
export function nextRequestId(front: FrontState): string {
  front.requests = (front.requests + 1) >>> 0;
  return front.idPrefix + front.requests.toString(16).toUpperCase().padStart(ID_DIGITS, '0');
}
