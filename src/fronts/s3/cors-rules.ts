/**
 * Cross-origin requests: which rule of a bucket fits, and the headers that say so.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html and https://fetch.spec.whatwg.org/#http-cors-protocol
 */

import type { CorsRule } from '../../base/bucket-store.ts';
import type { BucketName } from '../../base/names.ts';
import type { Exchange } from './request.ts';

export interface CorsQuestion {
  readonly origin: string;
  readonly method: string;
  /** Lower-case names of the headers that the browser wants to send. */
  readonly headers: readonly string[];
}

/** `*` stands for any run of characters, at most once. */
function fits(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === text;
  const head = pattern.slice(0, star);
  const tail = pattern.slice(star + 1);
  return text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail);
}

/** The first rule that allows origin, method and every header. */
export function findCorsRule(rules: readonly CorsRule[], question: CorsQuestion): CorsRule | undefined {
  return rules.find(
    (rule) =>
      rule.origins.some((origin) => fits(origin, question.origin)) &&
      rule.methods.includes(question.method) &&
      question.headers.every((header) => rule.allowedHeaders.some((allowed) => fits(allowed.toLowerCase(), header))),
  );
}

/** The headers that a rule gives an answer. */
export function corsRuleHeaders(rule: CorsRule, question: CorsQuestion): string[] {
  const anyOrigin = rule.origins.includes('*');
  const headers = [
    'Access-Control-Allow-Origin',
    anyOrigin ? '*' : question.origin,
    'Access-Control-Allow-Methods',
    rule.methods.join(', '),
  ];
  if (question.headers.length > 0) headers.push('Access-Control-Allow-Headers', question.headers.join(', '));
  if (rule.exposeHeaders.length > 0) headers.push('Access-Control-Expose-Headers', rule.exposeHeaders.join(', '));
  if (rule.maxAgeSeconds !== undefined) headers.push('Access-Control-Max-Age', String(rule.maxAgeSeconds));
  // A named origin may send cookies and Authorization; "*" may not (Fetch).
  if (!anyOrigin) headers.push('Access-Control-Allow-Credentials', 'true');
  headers.push('Vary', 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method');
  return headers;
}

/** Adds the CORS headers of an answer to a request with an Origin, also to one that failed before its bucket was looked up. */
export function pushCorsHeaders(x: Exchange, headers: string[]): void {
  const origin = x.req.headers.origin;
  if (origin === undefined || x.method === 'OPTIONS' || x.bucketName === undefined) return;
  const rules = (x.bucketInfo ?? x.front.storage.buckets.get(x.bucketName as BucketName))?.settings.cors;
  if (rules === undefined) return;
  const question = { origin, method: x.header('access-control-request-method') ?? x.method, headers: [] };
  const rule = findCorsRule(rules, question);
  if (rule !== undefined) headers.push(...corsRuleHeaders(rule, question));
}
