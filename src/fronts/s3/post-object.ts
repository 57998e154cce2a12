/**
 * PostObject: a file from a browser form, allowed by a signed policy (or by a bucket that anyone may write). Promises: nothing of
 * the file is stored before fields, signature and policy were checked; afterwards it is a PUT like any other.
 *
 * Hardest decision: the fields come before the file in the same body, so the upload is opened by reading on to the first piece of
 * the file; what is known then decides, and the stream that goes to the store begins with that piece.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { type ObjectKey, parseObjectKey } from '../../base/names.ts';
import type { ObjectAttributes, ObjectInfo } from '../../base/object-info.ts';
import { declaredChecksum, parseContentMd5 } from '../../format/checksum-headers.ts';
import { type FormFile, MultipartFormReader } from '../../format/multipart-form.ts';
import {
  type ByteCountRange,
  checkPostPolicy,
  expandFilename,
  type FormFields,
  parsePostPolicy,
  verifyPost,
} from '../../format/post-policy.ts';
import { parseTagging } from '../../format/s3-xml-read.ts';
import { writePostResponse } from '../../format/s3-xml-write.ts';
import { percentEncode } from '../../format/uri.ts';
import { requireBucketAction } from '../../service/access.ts';
import type { Credential } from '../../service/credentials.ts';
import { type BodyPlan, StreamHashes } from './body.ts';
import { streamBody } from './body-pump.ts';
import { etagHeader, headerText } from './object-headers.ts';
import { type NamedValues, parseAttributes } from './put-attributes.ts';
import { refuseHeaders } from './refused.ts';
import { type Answer, empty, xml } from './reply.ts';
import type { Exchange } from './request.ts';
import { requireValidTags } from './tags.ts';

interface OpenForm {
  readonly fields: FormFields;
  readonly file: FormFile;
  readonly chunks: AsyncIterator<Buffer>;
  readonly first: IteratorResult<Buffer>;
}

export async function postObject(x: Exchange): Promise<Answer> {
  const { bucket } = x;
  const form = await openForm(x);
  try {
    const { fields, file } = form;
    const named = new Map(fields).set('key', expandFilename(requiredKey(fields), file.filename));
    const credential = verify(x, fields);
    const range =
      credential === undefined
        ? undefined
        : checkPostPolicy(parsePostPolicy(fields.get('policy') ?? ''), named, bucket.name, x.startedMs);
    requireBucketAction(credential, bucket, 'write');
    const key = parseObjectKey(named.get('key') ?? '');
    x.keyName = key;
    const info = await store(x, key, form, range);
    return answerOf(x, fields, key, info);
  } finally {
    await form.chunks.return?.();
  }
}

/** Reads the fields, up to the first piece of the file. @throws GatewayError MalformedPOSTRequest, InvalidArgument */
async function openForm(x: Exchange): Promise<OpenForm> {
  const contentType = x.req.contentType ?? '';
  if (!/^multipart\/form-data/i.test(contentType)) {
    throw new GatewayError('PreconditionFailed', 'Bucket POST must be of the enclosure-type multipart/form-data.', {
      details: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
    });
  }
  const reader = new MultipartFormReader(contentType);
  let head: { readonly fields: FormFields; readonly file: FormFile } | undefined;
  const start = (fields: FormFields, file: FormFile) => {
    head = { fields, file };
  };
  const framing = {
    push: (chunk: Buffer, emit: (data: Buffer) => void) => reader.push(chunk, { start, data: emit }),
    end: () => reader.end(),
  };
  const chunks = streamBody(x, { framing, bytesMax: LIMITS.putBytesMax, tap: () => {} })[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (head === undefined) throw new GatewayError('MalformedPOSTRequest');
  return { ...head, chunks, first };
}

/** @throws GatewayError InvalidArgument */
function requiredKey(fields: FormFields): string {
  const key = fields.get('key');
  if (key !== undefined && key !== '') return key;
  throw new GatewayError('InvalidArgument', "Bucket POST must contain a field named 'key'.", {
    details: { ArgumentName: 'key' },
  });
}

/** @throws GatewayError as `verifyPost` */
function verify(x: Exchange, fields: FormFields): Credential | undefined {
  const { verifier } = x.front;
  verifier.nowMs = x.startedMs;
  const accessKeyId = verifyPost(fields, verifier);
  if (accessKeyId === undefined) return undefined;
  x.formCredential = verifier.found;
  return verifier.found;
}

async function store(
  x: Exchange,
  key: ObjectKey,
  form: OpenForm,
  range: ByteCountRange | undefined,
): Promise<ObjectInfo> {
  const { fields } = form;
  const attributes = formAttributes(fields);
  const contentType = formText(fields, 'content-type');
  const plan = formPlan(fields);
  const hashes = new StreamHashes(plan, x.front.checksums);
  const seal = () => {
    const { md5, checksum } = hashes.settle();
    return { etag: md5, contentType, attributes: checksum === undefined ? attributes : { ...attributes, checksum } };
  };
  const chunks = withinRange(form, range, (data) => hashes.update(data));
  return x.front.storage.objects.put(x.bucket.name, key, { kind: 'stream', chunks, seal }, {});
}

/** @throws GatewayError EntityTooLarge, EntityTooSmall */
async function* withinRange(
  { chunks, first }: OpenForm,
  range: ByteCountRange | undefined,
  tap: (data: Buffer) => void,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  for (let step = first; step.done !== true; step = await chunks.next()) {
    bytes += step.value.length;
    if (range !== undefined && bytes > range.max) {
      throw new GatewayError('EntityTooLarge', undefined, {
        details: { ProposedSize: String(bytes), MaxSizeAllowed: String(range.max) },
      });
    }
    tap(step.value);
    yield step.value;
  }
  if (range !== undefined && bytes < range.min) {
    throw new GatewayError('EntityTooSmall', 'The file is smaller than the policy allows.', {
      details: { ProposedSize: String(bytes), MinSizeAllowed: String(range.min) },
    });
  }
}

/** A field as a header value; empty is absent. */
function formText(fields: FormFields, name: string): string | undefined {
  const value = fields.get(name);
  return value === undefined || value === '' ? undefined : headerText(name, value);
}

const SIGNING_FIELDS: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-signature',
]);

/** @throws GatewayError NotImplemented, and as `parseAttributes` */
function formAttributes(fields: FormFields): ObjectAttributes {
  refuseHeaders(
    [...fields.keys()].filter((name) => !SIGNING_FIELDS.has(name)).flatMap((name) => [name, fields.get(name) ?? '']),
  );
  const values: NamedValues = {
    get: (name) => formText(fields, name === 'x-amz-acl' && fields.has('acl') ? 'acl' : name),
    *metadata() {
      for (const name of fields.keys()) {
        if (name.startsWith('x-amz-meta-'))
          yield [headerText('a field name', name.slice(11)), headerText(name, fields.get(name) ?? '')];
      }
    },
  };
  const attributes = parseAttributes(values);
  const tagging = fields.get('tagging');
  if (tagging === undefined || tagging === '') return attributes;
  return { ...attributes, tags: requireValidTags(parseTagging(Buffer.from(tagging)), LIMITS.tagsMax) };
}

/** @throws GatewayError InvalidDigest, InvalidRequest */
function formPlan(fields: FormFields): BodyPlan {
  const declared = declaredChecksum(fields.keys(), (name) => fields.get(name));
  const md5 = fields.get('content-md5');
  return {
    framing: undefined,
    length: undefined,
    bytesMax: LIMITS.putBytesMax,
    sha256: undefined,
    md5: md5 === undefined ? undefined : parseContentMd5(md5),
    declared,
    algorithm: declared?.algorithm,
    trailerName: undefined,
  };
}

function answerOf(x: Exchange, fields: FormFields, key: ObjectKey, info: ObjectInfo): Answer {
  const bucket = x.bucket.name;
  const etag = etagHeader(info.etag);
  const scheme = 'encrypted' in x.req.socket ? 'https' : 'http';
  const base = x.rawPath === '/' ? '' : `/${bucket}`;
  const location = `${scheme}://${x.req.headers.host ?? 'localhost'}${base}/${percentEncode(key, true)}`;
  const redirect = redirectTarget(fields.get('success_action_redirect') ?? fields.get('redirect'), bucket, key, etag);
  if (redirect !== undefined) return empty(303, ['Location', redirect, 'ETag', etag]);
  const headers = ['Location', location, 'ETag', etag];
  const status = fields.get('success_action_status');
  if (status === '201') return xml(writePostResponse({ location, bucket, key, etag: info.etag }), headers, 201);
  return empty(status === '200' ? 200 : 204, headers);
}

/** Where a browser goes on, with what was stored; `undefined` when the form names no usable URL. */
function redirectTarget(text: string | undefined, bucket: string, key: string, etag: string): string | undefined {
  if (text === undefined || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  const query = `bucket=${percentEncode(bucket, false)}&key=${percentEncode(key, true)}&etag=${percentEncode(etag, false)}`;
  url.search = url.search === '' ? `?${query}` : `${url.search}&${query}`;
  return url.href;
}
