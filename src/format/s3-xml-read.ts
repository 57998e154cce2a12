/**
 * The XML bodies of S3 requests. Promises: what comes back is complete and inside S3's bounds; anything else, unknown elements
 * included, is a MalformedXML error, so that nothing a client asked for is silently left out.
 *
 * Hardest decision: this is syntax only. Whether a part exists, parts ascend or a tag's text is allowed is judged by the callers,
 * which answer with other codes.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */

import type { CorsRule } from '../base/bucket-store.ts';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { ChecksumAlgorithm } from '../base/object-info.ts';
import { CHECKSUM_ALGORITHMS } from './checksum-headers.ts';
import type { XmlElement } from './xml-tree.ts';
import { childrenOf, malformedXml, optionalText, readXml, requiredText, requireOnly } from './xml-tree.ts';

export interface DeleteEntry {
  readonly key: string;
  readonly versionId: string | undefined;
  /** Conditions of this entry, as they came. */
  readonly etag: string | undefined;
  readonly lastModifiedTime: string | undefined;
  readonly size: string | undefined;
}

export interface DeleteRequest {
  /** Report failures only. */
  readonly quiet: boolean;
  readonly objects: readonly DeleteEntry[];
}

const DELETE_CHILDREN = new Set(['Object', 'Quiet']);
const OBJECT_CHILDREN = new Set(['Key', 'VersionId', 'ETag', 'LastModifiedTime', 'Size']);

/** DeleteObjects: 1 to 1,000 objects. @throws GatewayError MalformedXML */
export function parseDelete(body: Buffer): DeleteRequest {
  const root = readXml(body, 'Delete', LIMITS.xmlBytesMax);
  requireOnly(root, DELETE_CHILDREN);
  const objects = childrenOf(root, 'Object').map((object) => {
    requireOnly(object, OBJECT_CHILDREN);
    const key = requiredText(object, 'Key');
    if (key.length === 0) throw malformedXml('a Key is empty');
    return {
      key,
      versionId: optionalText(object, 'VersionId'),
      etag: optionalText(object, 'ETag'),
      lastModifiedTime: optionalText(object, 'LastModifiedTime'),
      size: optionalText(object, 'Size'),
    };
  });
  requireCount('Object', objects.length, LIMITS.deleteKeysMax);
  return { quiet: optionalBoolean(root, 'Quiet'), objects };
}

export interface CompletedPart {
  /** 1 to 10,000. */
  readonly number: number;
  /** Without quotes. */
  readonly etag: string;
  /** Base64 by algorithm, as they came. */
  readonly checksums: ReadonlyMap<ChecksumAlgorithm, string>;
}

const PART_CHILDREN = new Set([
  'PartNumber',
  'ETag',
  ...CHECKSUM_ALGORITHMS.map((algorithm) => `Checksum${algorithm}`),
]);

/** CompleteMultipartUpload: 1 to 10,000 parts, in the order in which they came. @throws GatewayError MalformedXML */
export function parseCompleteMultipartUpload(body: Buffer): CompletedPart[] {
  const root = readXml(body, 'CompleteMultipartUpload', LIMITS.xmlBytesMax);
  requireOnly(root, new Set(['Part']));
  requireCount('Part', root.children.length, LIMITS.partsMax);
  return root.children.map(readPart);
}

function readPart(part: XmlElement): CompletedPart {
  requireOnly(part, PART_CHILDREN);
  const digits = requiredText(part, 'PartNumber').trim();
  const number = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (number < 1 || number > LIMITS.partsMax)
    throw malformedXml(`PartNumber "${digits.slice(0, 20)}" is not 1 to ${LIMITS.partsMax}`);
  const checksums = new Map<ChecksumAlgorithm, string>();
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = optionalText(part, `Checksum${algorithm}`);
    if (value !== undefined) checksums.set(algorithm, value.trim());
  }
  return { number, etag: unquote(requiredText(part, 'ETag').trim()), checksums };
}

function unquote(etag: string): string {
  return etag.length >= 2 && etag.startsWith('"') && etag.endsWith('"') ? etag.slice(1, -1) : etag;
}

/** CreateBucket: the location constraint, `undefined` when there is none. @throws GatewayError MalformedXML, NotImplemented */
export function parseCreateBucket(body: Buffer): string | undefined {
  const root = readXml(body, 'CreateBucketConfiguration', LIMITS.xmlSmallBytesMax);
  for (const name of ['Location', 'Bucket', 'Tags']) {
    if (childrenOf(root, name).length > 0)
      throw new GatewayError('NotImplemented', `CreateBucketConfiguration with ${name} is not implemented.`);
  }
  requireOnly(root, new Set(['LocationConstraint']));
  return optionalText(root, 'LocationConstraint')?.trim();
}

/** Tag pairs in order, neither counted nor checked. @throws GatewayError MalformedXML */
export function parseTagging(body: Buffer): [key: string, value: string][] {
  const root = readXml(body, 'Tagging', LIMITS.xmlSmallBytesMax);
  requireOnly(root, new Set(['TagSet']));
  const [set, ...more] = root.children;
  if (set === undefined || more.length > 0) throw malformedXml('Tagging has not exactly one TagSet');
  requireOnly(set, new Set(['Tag']));
  return set.children.map((tag) => {
    requireOnly(tag, new Set(['Key', 'Value']));
    return [requiredText(tag, 'Key'), requiredText(tag, 'Value')];
  });
}

const CORS_CHILDREN = new Set([
  'ID',
  'AllowedOrigin',
  'AllowedMethod',
  'AllowedHeader',
  'ExposeHeader',
  'MaxAgeSeconds',
]);
const CORS_METHODS = new Set(['GET', 'PUT', 'POST', 'DELETE', 'HEAD']);

/** 1 to 100 rules. @throws GatewayError MalformedXML, InvalidRequest (a method, or two `*` in one origin or header) */
export function parseCors(body: Buffer): CorsRule[] {
  const root = readXml(body, 'CORSConfiguration', LIMITS.xmlSmallBytesMax);
  requireOnly(root, new Set(['CORSRule']));
  requireCount('CORSRule', root.children.length, LIMITS.corsRulesMax);
  return root.children.map(readCorsRule);
}

function readCorsRule(rule: XmlElement): CorsRule {
  requireOnly(rule, CORS_CHILDREN);
  const texts = (name: string): string[] => childrenOf(rule, name).map((child) => child.text.trim());
  const origins = texts('AllowedOrigin');
  const methods = texts('AllowedMethod');
  const allowedHeaders = texts('AllowedHeader');
  if (origins.length === 0 || methods.length === 0)
    throw malformedXml('a CORSRule needs AllowedOrigin and AllowedMethod');
  for (const method of methods) {
    if (CORS_METHODS.has(method)) continue;
    throw new GatewayError(
      'InvalidRequest',
      `Found unsupported HTTP method in CORS config. Unsupported method is ${method.slice(0, 20)}`,
    );
  }
  for (const pattern of [...origins, ...allowedHeaders]) {
    if (pattern.indexOf('*') === pattern.lastIndexOf('*')) continue;
    throw new GatewayError('InvalidRequest', `"${pattern.slice(0, 80)}" can not have more than one wildcard.`);
  }
  const id = optionalText(rule, 'ID');
  const maxAge = optionalText(rule, 'MaxAgeSeconds')?.trim();
  if (maxAge !== undefined && !/^\d{1,10}$/.test(maxAge))
    throw malformedXml(`MaxAgeSeconds "${maxAge.slice(0, 20)}" is not a number`);
  return {
    ...(id === undefined ? {} : { id }),
    origins,
    methods,
    allowedHeaders,
    exposeHeaders: texts('ExposeHeader'),
    ...(maxAge === undefined ? {} : { maxAgeSeconds: Number(maxAge) }),
  };
}

export interface AclGrant {
  readonly grantee: { readonly id: string } | { readonly uri: string } | { readonly email: string };
  readonly permission: string;
}

export interface AccessControlPolicy {
  readonly ownerId: string;
  readonly grants: readonly AclGrant[];
}

/** @throws GatewayError MalformedXML */
export function parseAccessControlPolicy(body: Buffer): AccessControlPolicy {
  const root = readXml(body, 'AccessControlPolicy', LIMITS.xmlSmallBytesMax);
  requireOnly(root, new Set(['Owner', 'AccessControlList']));
  const [owner, list] = [onlyChild(root, 'Owner'), onlyChild(root, 'AccessControlList')];
  requireOnly(list, new Set(['Grant']));
  return { ownerId: requiredText(owner, 'ID'), grants: list.children.map(readGrant) };
}

function readGrant(grant: XmlElement): AclGrant {
  requireOnly(grant, new Set(['Grantee', 'Permission']));
  const grantee = onlyChild(grant, 'Grantee');
  const permission = requiredText(grant, 'Permission').trim();
  const uri = optionalText(grantee, 'URI');
  if (uri !== undefined) return { grantee: { uri }, permission };
  const email = optionalText(grantee, 'EmailAddress');
  if (email !== undefined) return { grantee: { email }, permission };
  return { grantee: { id: requiredText(grantee, 'ID') }, permission };
}

function onlyChild(element: XmlElement, name: string): XmlElement {
  const [child, ...more] = childrenOf(element, name);
  if (child === undefined || more.length > 0) throw malformedXml(`${element.name} has not exactly one ${name}`);
  return child;
}

function requireCount(name: string, count: number, max: number): void {
  if (count < 1 || count > max) throw malformedXml(`it has ${count} ${name} elements; 1 to ${max} are allowed`);
}

function optionalBoolean(element: XmlElement, name: string): boolean {
  const text = optionalText(element, name)?.trim().toLowerCase() ?? 'false';
  if (text !== 'true' && text !== 'false') throw malformedXml(`${name} is "${text.slice(0, 20)}", not true or false`);
  return text === 'true';
}
