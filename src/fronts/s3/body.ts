// HOT PATH (bench: every PUT)
/**
 * What a request says about its body, and the body checked against it. Promises: a body is handed on as whole only when its
 * length, its framing with all signatures, x-amz-content-sha256, Content-MD5 and its checksum (header or trailer) all agree;
 * the MD5 that becomes the ETag is of the bytes without framing.
 *
 * Hardest decision: small bodies of known length are collected and hashed in one call each, which costs a third of feeding
 * hashes piece by piece; larger ones are hashed while they stream, and `seal` refuses them after the last byte.
 */
import { createHash, type Hash, hash } from 'node:crypto';
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ChecksumAlgorithm, StoredChecksum } from '../../base/object-info.ts';
import { AwsChunkedDecoder } from '../../format/aws-chunked.ts';
import type { Checksum, Checksums } from '../../format/checksum.ts';
import {
  checksumHeaderName,
  checksumOfHeaderName,
  type DeclaredChecksum,
  declaredChecksum,
  parseChecksumValue,
  parseContentMd5,
  parseTrailerNames,
} from '../../format/checksum-headers.ts';
import type { Payload } from '../../format/sigv4.ts';
import { collectBody, streamBody } from './body-pump.ts';
import type { Exchange } from './request.ts';

/** CompleteMultipartUpload sends the checksum of the object that it makes; everything else that of its body. */
export type ChecksumHeaders = 'of the body' | 'of the object';

/** What was computed over a body that held what it promised. */
export interface BodyDigest {
  readonly md5: string;
  readonly checksum: StoredChecksum | undefined;
}

export interface BodyPlan {
  readonly framing: AwsChunkedDecoder | undefined;
  /** Bytes after the framing; `undefined` for plain chunked transfer. */
  readonly length: number | undefined;
  readonly bytesMax: number;
  readonly sha256: string | undefined;
  readonly md5: Buffer | undefined;
  readonly declared: DeclaredChecksum | undefined;
  /** Algorithm of the declared checksum, of the announced trailer, or the one that the caller wants anyway. */
  readonly algorithm: ChecksumAlgorithm | undefined;
  readonly trailerName: string | undefined;
}

const UNSIGNED: Payload = { kind: 'unsigned' };
const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
const HEX_SHA256 = /^[0-9a-f]{64}$/;

/** What x-amz-content-sha256 of an unsigned request says: nobody signed it, but the body can still be checked against it. */
function anonymousPayload(x: Exchange): Payload {
  const literal = x.header('x-amz-content-sha256');
  if (literal === undefined || literal === 'UNSIGNED-PAYLOAD') return UNSIGNED;
  if (literal === UNSIGNED_TRAILER) return { kind: 'streaming-unsigned-trailer' };
  if (HEX_SHA256.test(literal)) return { kind: 'sha256', hex: literal };
  throw new GatewayError(
    'InvalidRequest',
    'An anonymous request cannot have a signed body; x-amz-content-sha256 says that it has.',
  );
}

/**
 * Reads the headers that describe a body; reads none of it.
 *
 * @param bytesMax bytes after the framing that are allowed
 * @param wanted checksum algorithm to compute where the client declared none
 * @throws GatewayError EntityTooLarge, MissingContentLength, InvalidRequest, InvalidArgument, InvalidDigest
 */
export function planBody(
  x: Exchange,
  bytesMax: number,
  wanted?: ChecksumAlgorithm,
  checksums: ChecksumHeaders = 'of the body',
): BodyPlan {
  const payload = x.signed?.verified.payload ?? anonymousPayload(x);
  const streaming = payload.kind !== 'unsigned' && payload.kind !== 'sha256';
  const length = streaming ? decodedLength(x) : plainLength(x);
  if (length !== undefined && length > bytesMax) {
    throw new GatewayError('EntityTooLarge', `The body has ${length} bytes; at most ${bytesMax} are allowed here.`, {
      details: { ProposedSize: String(length), MaxSizeAllowed: String(bytesMax) },
    });
  }
  const trailerNames = trailers(x, payload);
  const trailerName = trailerNames[0];
  const md5 = x.header('content-md5');
  const declared =
    checksums === 'of the object' ? undefined : declaredChecksum(Object.keys(x.req.headers), (name) => x.header(name));
  if (checksums === 'of the body') requireOneChecksum(x, declared, trailerNames);
  return {
    framing: streaming ? framingOf(x, payload, length ?? 0, trailerNames) : undefined,
    length,
    bytesMax,
    sha256: payload.kind === 'sha256' ? payload.hex : undefined,
    md5: md5 === undefined ? undefined : parseContentMd5(md5),
    declared,
    algorithm: declared?.algorithm ?? (trailerName === undefined ? wanted : checksumOfHeaderName(trailerName)),
    trailerName,
  };
}

function decodedLength(x: Exchange): number {
  const text = x.header('x-amz-decoded-content-length');
  if (text === undefined)
    throw new GatewayError('MissingContentLength', 'An aws-chunked body needs x-amz-decoded-content-length.');
  if (!/^\d{1,15}$/.test(text))
    throw new GatewayError(
      'InvalidArgument',
      `x-amz-decoded-content-length is "${text.slice(0, 40)}"; expected a number of bytes.`,
    );
  return Number(text);
}

function plainLength(x: Exchange): number | undefined {
  const text = x.req.headers['content-length'];
  if (text !== undefined) return Number(text);
  return x.req.headers['transfer-encoding'] === undefined ? 0 : undefined;
}

function trailers(x: Exchange, payload: Payload): string[] {
  const header = x.header('x-amz-trailer');
  const allowed = payload.kind === 'streaming-signed-trailer' || payload.kind === 'streaming-unsigned-trailer';
  if (header === undefined) return [];
  if (!allowed)
    throw new GatewayError(
      'InvalidRequest',
      'x-amz-trailer announces a trailer, but x-amz-content-sha256 names a body without one.',
    );
  return parseTrailerNames(header);
}

function requireOneChecksum(
  x: Exchange,
  declared: DeclaredChecksum | undefined,
  trailerNames: readonly string[],
): void {
  if (trailerNames.length + (declared === undefined ? 0 : 1) > 1) {
    throw new GatewayError(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header or trailer. Multiple checksum types are not allowed.',
    );
  }
  if (declared !== undefined || trailerNames.length > 0) return;
  if (x.header('x-amz-sdk-checksum-algorithm') !== undefined && x.header('content-md5') === undefined) {
    throw new GatewayError(
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    );
  }
}

function framingOf(x: Exchange, payload: Payload, length: number, trailerNames: readonly string[]): AwsChunkedDecoder {
  const verified = x.signed?.verified;
  if (payload.kind === 'streaming-unsigned-trailer' || verified === undefined)
    return new AwsChunkedDecoder({ decodedLength: length, trailerNames });
  return new AwsChunkedDecoder({ decodedLength: length, trailerNames, signer: verified });
}

/** Writes refuse a body of unknown length as S3 does, when there is neither a length nor chunked transfer. */
export function requireLength(x: Exchange): void {
  if (x.req.headers['content-length'] === undefined && x.req.headers['transfer-encoding'] === undefined)
    throw new GatewayError('MissingContentLength');
}

/** Small enough, and of known length: to be collected, as long as there is room for it. Claims the room until the request ends. */
export function mayCollect(x: Exchange, { length }: BodyPlan): boolean {
  return length !== undefined && length <= LIMITS.bodyCollectBytesMax && claimRoom(x, length);
}

function claimRoom(x: Exchange, bytes: number): boolean {
  if (x.front.collectedBytes + bytes > LIMITS.bodiesCollectBytesMax) return false;
  x.front.collectedBytes += bytes;
  x.collectedBytes += bytes;
  return true;
}

/**
 * The whole body and its digests.
 *
 * @throws GatewayError BadDigest, XAmzContentSHA256Mismatch, XAmzContentChecksumMismatch, and as `collectBody`
 */
export async function collectChecked(
  x: Exchange,
  plan: BodyPlan,
): Promise<{ readonly bytes: Buffer; readonly digest: BodyDigest }> {
  const bytes = await collectBody(x, plan.framing, plan.length, plan.bytesMax);
  const { checksums } = x.front;
  let checksum: Checksum | undefined;
  if (plan.algorithm !== undefined) {
    checksum = checksums.create(plan.algorithm);
    checksum.update(bytes);
  }
  const sha256 = plan.sha256 === undefined ? undefined : hash('sha256', bytes, 'hex');
  return { bytes, digest: settle(plan, hash('md5', bytes, 'hex'), sha256, checksum) };
}

/** The body as a stream; `seal` after its last byte gives the digests or refuses. */
export function streamChecked(
  x: Exchange,
  plan: BodyPlan,
): { readonly chunks: AsyncIterable<Buffer>; readonly seal: () => BodyDigest } {
  const hashes = new StreamHashes(plan, x.front.checksums);
  const chunks = streamBody(x, {
    framing: plan.framing,
    bytesMax: plan.length ?? plan.bytesMax,
    tap: (data) => hashes.update(data),
  });
  return { chunks, seal: () => hashes.settle() };
}

/** Hashes of any stream of buffers, against a plan: bodies, and copies that are read through. */
export class StreamHashes {
  readonly #plan: BodyPlan;
  readonly #md5: Hash = createHash('md5');
  readonly #sha256: Hash | undefined;
  readonly #checksum: Checksum | undefined;

  constructor(plan: BodyPlan, checksums: Checksums) {
    this.#plan = plan;
    this.#sha256 = plan.sha256 === undefined ? undefined : createHash('sha256');
    this.#checksum = plan.algorithm === undefined ? undefined : checksums.create(plan.algorithm);
  }

  update(data: Buffer): void {
    this.#md5.update(data);
    this.#sha256?.update(data);
    this.#checksum?.update(data);
  }

  /** @throws GatewayError BadDigest, XAmzContentSHA256Mismatch */
  settle(): BodyDigest {
    return settle(this.#plan, this.#md5.digest('hex'), this.#sha256?.digest('hex'), this.#checksum);
  }
}

function settle(plan: BodyPlan, md5: string, sha256: string | undefined, checksum: Checksum | undefined): BodyDigest {
  if (plan.sha256 !== sha256) {
    throw new GatewayError('XAmzContentSHA256Mismatch', undefined, {
      details: { ClientComputedContentSHA256: plan.sha256 ?? '', S3ComputedContentSHA256: sha256 ?? '' },
    });
  }
  if (plan.md5 !== undefined && plan.md5.toString('hex') !== md5) {
    throw new GatewayError('BadDigest', 'The Content-MD5 you specified did not match what we received.', {
      details: {
        ExpectedDigest: plan.md5.toString('base64'),
        CalculatedDigest: Buffer.from(md5, 'hex').toString('base64'),
      },
    });
  }
  if (checksum === undefined) return { md5, checksum: undefined };
  const { algorithm } = checksum;
  const digest = checksum.digest();
  const declared = plan.declared ?? trailerChecksum(plan, algorithm);
  if (declared !== undefined && !declared.digest.equals(digest)) throw checksumMismatch(algorithm);
  return { md5, checksum: { algorithm, value: digest.toString('base64'), type: 'FULL_OBJECT' } };
}

export function checksumMismatch(algorithm: ChecksumAlgorithm): GatewayError {
  return new GatewayError('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
}

/** @throws GatewayError InvalidRequest when the trailer is missing or is no checksum */
function trailerChecksum(plan: BodyPlan, algorithm: ChecksumAlgorithm): DeclaredChecksum | undefined {
  if (plan.trailerName === undefined || plan.framing === undefined) return undefined;
  return parseChecksumValue(algorithm, plan.framing.trailers.get(checksumHeaderName(algorithm)) ?? '');
}

/**
 * The body of a small document, checked.
 *
 * @throws GatewayError MissingRequestBodyError, SlowDown, and as `collectChecked`
 */
export async function readDocument(
  x: Exchange,
  bytesMax: number,
  checksums: ChecksumHeaders = 'of the body',
): Promise<Buffer> {
  const plan = planBody(x, bytesMax, undefined, checksums);
  if (!claimRoom(x, plan.length ?? bytesMax)) {
    throw new GatewayError(
      'SlowDown',
      'Too many documents and small objects are being received at once; try again in a moment.',
    );
  }
  const { bytes } = await collectChecked(x, plan);
  if (bytes.length === 0) throw new GatewayError('MissingRequestBodyError');
  return bytes;
}

/** The document is no longer held: its room is free before the answer, which may take minutes, has left. */
export function releaseDocument(x: Exchange): void {
  x.front.collectedBytes -= x.collectedBytes;
  x.collectedBytes = 0;
}
