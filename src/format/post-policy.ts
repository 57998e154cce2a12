/**
 * The policy of a browser upload: what a signed form may contain. Promises: a form passes only when every condition holds and
 * every field is covered by one, except those that cannot be (the policy, its signature, the file, `x-ignore-`).
 *
 * Hardest decision: the policy's keys `expiration` and `conditions` are case-sensitive, operators and field names are not. S3
 * treats them so.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
 */
import { GatewayError } from '../base/errors.ts';
import { parseIsoBasic, parseIsoExtended } from './http-date.ts';
import type { VerifyContext } from './sigv4.ts';
import { provenKey } from './sigv4.ts';
import { ALGORITHM } from './sigv4-canonical.ts';

/** Field values by lower-case name. */
export type FormFields = ReadonlyMap<string, string>;

export interface ByteCountRange {
  /** Inclusive. */
  readonly min: number;
  /** Inclusive. */
  readonly max: number;
}

type Condition =
  | { readonly kind: 'eq' | 'starts-with'; readonly field: string; readonly value: string }
  | ({ readonly kind: 'content-length-range' } & ByteCountRange);

export interface PostPolicy {
  readonly expiresMs: number;
  readonly conditions: readonly Condition[];
}

const UNCOVERED = new Set(['x-amz-signature', 'file', 'policy']);
const IGNORED_PREFIX = 'x-ignore-';

function invalidPolicy(why: string, cause?: unknown): GatewayError {
  return new GatewayError('InvalidPolicyDocument', `The policy is not valid: ${why}.`, { cause });
}

function against(why: string): GatewayError {
  return new GatewayError('AccessDenied', `Invalid according to Policy: ${why}`);
}

/** @throws GatewayError InvalidPolicyDocument */
export function parsePostPolicy(base64: string): PostPolicy {
  const document = parseJson(base64);
  const { expiration, conditions } = document;
  if (typeof expiration !== 'string') throw invalidPolicy('it has no "expiration"');
  const expiresMs = parseIsoExtended(expiration);
  if (expiresMs === undefined)
    throw invalidPolicy(`the expiration "${expiration.slice(0, 40)}" is not in the form 2007-12-01T12:00:00.000Z`);
  if (!Array.isArray(conditions)) throw invalidPolicy('it has no list "conditions"');
  return { expiresMs, conditions: conditions.flatMap(parseCondition) };
}

function parseJson(base64: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  } catch (cause) {
    throw invalidPolicy('it is not the base64 of a JSON document', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidPolicy('it is not a JSON object');
  return value as Record<string, unknown>;
}

function parseCondition(condition: unknown): Condition[] {
  if (Array.isArray(condition)) return [parseList(condition)];
  if (typeof condition !== 'object' || condition === null)
    throw invalidPolicy('a condition is neither a list nor an object');
  return Object.entries(condition).map(([name, value]) => {
    if (typeof value !== 'string') throw invalidPolicy(`the value of "${name.slice(0, 40)}" is not text`);
    return { kind: 'eq', field: name.toLowerCase(), value };
  });
}

function parseList(list: readonly unknown[]): Condition {
  const [operator, first, second] = list;
  if (typeof operator !== 'string' || list.length !== 3)
    throw invalidPolicy('a condition in list form has not three elements');
  const kind = operator.toLowerCase();
  if (kind === 'content-length-range') {
    const min = byteCount(first);
    const max = byteCount(second);
    if (min > max) throw invalidPolicy('content-length-range is empty');
    return { kind, min, max };
  }
  if (kind !== 'eq' && kind !== 'starts-with') throw invalidPolicy(`"${operator.slice(0, 40)}" is not a condition`);
  if (typeof first !== 'string' || typeof second !== 'string' || !first.startsWith('$')) {
    throw invalidPolicy(`"${operator}" takes a field as "$name" and a text`);
  }
  return { kind, field: first.slice(1).toLowerCase(), value: second };
}

function byteCount(value: unknown): number {
  const count = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0)
    throw invalidPolicy('content-length-range takes two byte counts');
  return count;
}

/**
 * Checks a form against its policy.
 *
 * @param fields with `${filename}` already expanded in the key
 * @returns what the policy allows the file's size to be, if it says anything
 * @throws GatewayError AccessDenied
 */
export function checkPostPolicy(
  policy: PostPolicy,
  fields: FormFields,
  bucket: string,
  nowMs: number,
): ByteCountRange | undefined {
  if (nowMs >= policy.expiresMs) throw against('Policy expired.');
  const values = new Map(fields).set('bucket', bucket);
  const covered = new Set<string>();
  let range: ByteCountRange | undefined;
  for (const condition of policy.conditions) {
    if (condition.kind === 'content-length-range') {
      range = {
        min: Math.max(condition.min, range?.min ?? 0),
        max: Math.min(condition.max, range?.max ?? condition.max),
      };
      continue;
    }
    const { kind, field, value } = condition;
    covered.add(field);
    const actual = values.get(field) ?? '';
    const holds = kind === 'eq' ? actual === value : actual.startsWith(value);
    if (!holds) throw against(`Policy Condition failed: ["${kind}", "$${field}", "${value}"]`);
  }
  for (const name of values.keys()) {
    if (covered.has(name) || UNCOVERED.has(name) || name.startsWith(IGNORED_PREFIX)) continue;
    throw against(`Extra input fields: ${name}`);
  }
  return range;
}

/** The key of the form with `${filename}` replaced by the name of the file that the user chose. */
export function expandFilename(key: string, filename: string): string {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is the text that S3 replaces. A function, so that `$&` in a file's name stays as it is.
  return key.replaceAll('${filename}', () => filename);
}

const SIGNED_FIELDS = ['x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature'];
const BASE64 = /^[\w+/=\r\n-]*$/;

/**
 * Who signed a form: the access key id, or `undefined` for a form without a policy.
 *
 * @throws GatewayError InvalidArgument (a field missing or wrong), InvalidRequest (Signature Version 2), InvalidAccessKeyId,
 * SignatureDoesNotMatch
 */
export function verifyPost(fields: FormFields, context: VerifyContext): string | undefined {
  if (fields.has('awsaccesskeyid') || fields.has('signature')) {
    throw new GatewayError('InvalidRequest', `Signature Version 2 is not supported. Please use ${ALGORITHM}.`);
  }
  const policy = fields.get('policy');
  if (policy === undefined && !SIGNED_FIELDS.some((name) => fields.has(name))) return undefined;
  const [algorithm, credential, date, signature] = SIGNED_FIELDS.map((name) => requiredField(fields, name)) as [
    string,
    string,
    string,
    string,
  ];
  if (algorithm !== ALGORITHM) throw badField('x-amz-algorithm', algorithm, `must be ${ALGORITHM}`);
  const proven = provenKey(credential, context, 'InvalidArgument');
  const inScope = parseIsoBasic(date) !== undefined && date.startsWith(proven.credential.day);
  if (!inScope) throw badField('x-amz-date', date, 'is not a time on the day of the credential');
  const message = requiredField(fields, 'policy');
  if (!BASE64.test(message)) throw badField('policy', message, 'is not base64');
  if (!proven.key.matches(message, signature)) {
    throw new GatewayError('SignatureDoesNotMatch', undefined, {
      details: {
        AWSAccessKeyId: proven.credential.accessKeyId,
        StringToSign: message,
        SignatureProvided: signature.slice(0, 80),
      },
    });
  }
  context.keys.add(proven);
  return proven.credential.accessKeyId;
}

function requiredField(fields: FormFields, name: string): string {
  const value = fields.get(name);
  if (value !== undefined) return value;
  throw new GatewayError('InvalidArgument', `Bucket POST must contain a field named '${name}', before the file.`);
}

function badField(name: string, value: string, why: string): GatewayError {
  return new GatewayError('InvalidArgument', `The form field ${name} "${value.slice(0, 80)}" ${why}.`, {
    details: { ArgumentName: name, ArgumentValue: value.slice(0, 80) },
  });
}
