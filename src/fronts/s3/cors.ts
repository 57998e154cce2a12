/** CORS configuration of buckets, and preflight requests of browsers, which carry no credential. */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { parseCors } from '../../format/s3-xml-read.ts';
import { writeCors } from '../../format/s3-xml-write.ts';
import { requireBucketAction } from '../../service/access.ts';
import { readDocument } from './body.ts';
import { corsRuleHeaders, findCorsRule } from './cors-rules.ts';
import { type Answer, empty, xml } from './reply.ts';
import type { Exchange } from './request.ts';

export async function getBucketCors(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'own');
  const { cors } = x.bucket.settings;
  if (cors === undefined || cors.length === 0)
    throw new GatewayError('NoSuchCORSConfiguration', undefined, { details: { BucketName: x.bucket.name } });
  return xml(writeCors(cors));
}

export async function putBucketCors(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'own');
  const cors = parseCors(await readDocument(x, LIMITS.xmlSmallBytesMax));
  await x.front.storage.buckets.update(x.bucket.name, { cors });
  return empty(200);
}

export async function deleteBucketCors(x: Exchange): Promise<Answer> {
  requireBucketAction(x.credential, x.bucket, 'own');
  await x.front.storage.buckets.update(x.bucket.name, { cors: undefined });
  return empty(204);
}

export function preflight(x: Exchange): Answer {
  const origin = x.req.headers.origin;
  const method = x.header('access-control-request-method');
  if (origin === undefined || method === undefined) {
    throw new GatewayError(
      'InvalidRequest',
      'Insufficient information. Origin and Access-Control-Request-Method request headers needed.',
    );
  }
  const wanted = x.header('access-control-request-headers') ?? '';
  const headers = wanted
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  const question = { origin, method, headers };
  const rule = findCorsRule(x.bucket.settings.cors ?? [], question);
  if (rule === undefined)
    throw new GatewayError('AccessDenied', 'CORSResponse: This CORS request is not allowed.', {
      details: { Method: method },
    });
  return empty(200, corsRuleHeaders(rule, question));
}
