/**
 * The one table of refusals. Every front answers from it: S3 takes `s3Code` (the key itself) and `httpStatus`, gRPC takes
 * `grpcStatus`, clients and scripts take `retry`. A code that is not in the table does not compile.
 *
 * Three kinds of no: expected absence is `undefined`; a refusal that the caller can act on is a `GatewayError`; a bug is an
 * assertion.
 */

/** gRPC status numbers that the table uses (https://grpc.io/docs/guides/status-codes/). */
const GRPC = {
  invalidArgument: 3,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

export interface ErrorFacts {
  readonly httpStatus: number;
  readonly grpcStatus: number;
  /** May the same request succeed later, unchanged? */
  readonly retry: boolean;
  /** Default message, when the thrower has nothing more exact to say. */
  readonly meaning: string;
}

function facts(httpStatus: number, grpcStatus: number, meaning: string, retry = false): ErrorFacts {
  return { httpStatus, grpcStatus, retry, meaning };
}

/** S3 error codes by name: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
export const ERROR_TABLE = {
  AccessDenied: facts(403, GRPC.permissionDenied, 'Access denied.'),
  AuthorizationHeaderMalformed: facts(400, GRPC.unauthenticated, 'The Authorization header is malformed.'),
  AuthorizationQueryParametersError: facts(
    400,
    GRPC.unauthenticated,
    'The query-string authentication parameters are wrong.',
  ),
  BadDigest: facts(400, GRPC.invalidArgument, 'The digest that was sent does not match the bytes that arrived.'),
  BucketAlreadyExists: facts(409, GRPC.alreadyExists, 'The bucket name is taken by another owner.'),
  BucketAlreadyOwnedByYou: facts(409, GRPC.alreadyExists, 'You own this bucket already.'),
  BucketNotEmpty: facts(
    409,
    GRPC.failedPrecondition,
    'The bucket holds objects or unfinished uploads; delete them first.',
  ),
  ConditionalRequestConflict: facts(409, GRPC.aborted, 'A conflicting write ran at the same time; try again.', true),
  DataLoss: facts(500, GRPC.dataLoss, 'The stored bytes are damaged and were not served; run `penstock doctor`.'),
  EntityTooLarge: facts(400, GRPC.invalidArgument, 'The upload is larger than the maximum allowed.'),
  EntityTooSmall: facts(400, GRPC.invalidArgument, 'A part other than the last is smaller than 5 MiB.'),
  ExpectationFailed: facts(417, GRPC.invalidArgument, 'Only "Expect: 100-continue" is understood.'),
  IllegalLocationConstraintException: facts(400, GRPC.invalidArgument, 'The location constraint is not this region.'),
  IncompleteBody: facts(400, GRPC.invalidArgument, 'The body ended before the number of bytes that was announced.'),
  InternalError: facts(500, GRPC.internal, 'An internal error occurred; try again.', true),
  InvalidAccessKeyId: facts(403, GRPC.unauthenticated, 'The access key id is not known here.'),
  InvalidArgument: facts(400, GRPC.invalidArgument, 'An argument is not valid.'),
  InvalidBucketName: facts(400, GRPC.invalidArgument, 'The bucket name is not valid.'),
  InvalidBucketState: facts(409, GRPC.failedPrecondition, 'The request is not valid for the state of the bucket.'),
  InvalidDigest: facts(400, GRPC.invalidArgument, 'The Content-MD5 or checksum header is not a valid digest.'),
  InvalidPart: facts(400, GRPC.invalidArgument, 'A listed part was not uploaded, or its ETag does not match.'),
  InvalidPartNumber: facts(416, GRPC.outOfRange, 'The object has no part of that number.'),
  InvalidPartOrder: facts(400, GRPC.invalidArgument, 'The parts are not listed in ascending order.'),
  InvalidPolicyDocument: facts(400, GRPC.invalidArgument, 'The policy document is not valid.'),
  InvalidRange: facts(416, GRPC.outOfRange, 'The range cannot be satisfied.'),
  InvalidRequest: facts(400, GRPC.invalidArgument, 'The request is not valid.'),
  InvalidTag: facts(400, GRPC.invalidArgument, 'A tag is not valid.'),
  InvalidURI: facts(400, GRPC.invalidArgument, 'The request target cannot be parsed.'),
  KeyTooLongError: facts(400, GRPC.invalidArgument, 'The key is longer than 1,024 bytes.'),
  MalformedPOSTRequest: facts(400, GRPC.invalidArgument, 'The body is not well-formed multipart/form-data.'),
  MalformedXML: facts(400, GRPC.invalidArgument, 'The XML is not well-formed or not of the expected form.'),
  MaxMessageLengthExceeded: facts(400, GRPC.invalidArgument, 'The request is too big.'),
  MetadataTooLarge: facts(400, GRPC.invalidArgument, 'The user metadata is larger than 2 KB.'),
  MethodNotAllowed: facts(405, GRPC.unimplemented, 'The method is not allowed on this resource.'),
  MissingContentLength: facts(411, GRPC.invalidArgument, 'The Content-Length header is missing.'),
  MissingRequestBodyError: facts(400, GRPC.invalidArgument, 'The request body is empty.'),
  NoSuchBucket: facts(404, GRPC.notFound, 'The bucket does not exist.'),
  NoSuchBucketPolicy: facts(404, GRPC.notFound, 'The bucket has no policy.'),
  NoSuchCORSConfiguration: facts(404, GRPC.notFound, 'The bucket has no CORS configuration.'),
  NoSuchKey: facts(404, GRPC.notFound, 'The key does not exist.'),
  NoSuchTagSet: facts(404, GRPC.notFound, 'There is no tag set.'),
  NoSuchUpload: facts(
    404,
    GRPC.notFound,
    'The multipart upload does not exist; it may have been completed or aborted.',
  ),
  NoSuchVersion: facts(404, GRPC.notFound, 'The version does not exist.'),
  NotImplemented: facts(501, GRPC.unimplemented, 'This is not implemented by Penstock.'),
  PreconditionFailed: facts(412, GRPC.failedPrecondition, 'At least one precondition did not hold.'),
  RequestTimeTooSkewed: facts(
    403,
    GRPC.unauthenticated,
    'The difference between the request time and the server time is too large.',
  ),
  RequestTimeout: facts(400, GRPC.unavailable, 'The body was not sent within the time allowed.', true),
  ServerClosed: facts(503, GRPC.unavailable, 'The gateway is shutting down; try again.', true),
  SignatureDoesNotMatch: facts(
    403,
    GRPC.unauthenticated,
    'The signature does not match; check the secret key and the signing method.',
  ),
  SlowDown: facts(503, GRPC.resourceExhausted, 'Too many requests at once; reduce the rate and try again.', true),
  StorageFull: facts(507, GRPC.resourceExhausted, 'The disk is full; delete objects or add space.'),
  StoreBusy: facts(
    503,
    GRPC.unavailable,
    'The store cannot commit at the moment; the outcome of the write is unknown.',
    true,
  ),
  StoreFailure: facts(503, GRPC.unavailable, 'The disk failed a write; nothing was stored.', true),
  TooManyBuckets: facts(400, GRPC.resourceExhausted, 'The limit on buckets is reached.'),
  UnexpectedContent: facts(400, GRPC.invalidArgument, 'This request does not take a body.'),
  XAmzContentChecksumMismatch: facts(
    400,
    GRPC.invalidArgument,
    'The checksum that was sent does not match the bytes that arrived.',
  ),
  XAmzContentSHA256Mismatch: facts(
    400,
    GRPC.invalidArgument,
    'x-amz-content-sha256 does not match the bytes that arrived.',
  ),
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERROR_TABLE;

export interface GatewayErrorOptions {
  /** What the refusal is about, as the client named it: `/bucket/key`. */
  readonly resource?: string;
  readonly cause?: unknown;
  /** Extra facts for the S3 XML body and the gRPC ErrorInfo (`{Key: 'a'}`). */
  readonly details?: Readonly<Record<string, string>>;
}

/** A refusal that the caller can act on. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly resource: string | undefined;
  readonly details: Readonly<Record<string, string>> | undefined;

  constructor(code: ErrorCode, message?: string, options: GatewayErrorOptions = {}) {
    super(message ?? ERROR_TABLE[code].meaning, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.resource = options.resource;
    this.details = options.details;
  }

  get facts(): ErrorFacts {
    return ERROR_TABLE[this.code];
  }
}

/** The error as a refusal: itself when it is one, else `InternalError` with the original as its cause. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError('InternalError', undefined, { cause: error });
}
