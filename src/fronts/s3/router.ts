// HOT PATH (bench: every S3 request is routed once)
/**
 * From a request to its operation: method, level of the target and sub-resource select one row of `OPERATIONS`. Promises: a
 * sub-resource that is in no row is refused with NotImplemented, a method that no row has with MethodNotAllowed; nothing is
 * ignored. docs/s3.md is checked against the same table.
 *
 * Hardest decision: rows are found by one string key, built without a sub-resource for nearly every request.
 */
import { GatewayError } from '../../base/errors.ts';
import { OPERATIONS, type Operation } from './operations.ts';
import { subResource } from './refused.ts';
import type { Exchange } from './request.ts';

const ROWS: ReadonlyMap<string, Operation> = new Map(OPERATIONS.map((row) => [keyOf(row), row]));
const METHODS: ReadonlySet<string> = new Set(OPERATIONS.map((row) => row.method));

function keyOf(row: Operation): string {
  return `${row.method} ${row.level} ${row.select}`;
}

/** @throws GatewayError MethodNotAllowed, NotImplemented */
export function findOperation(x: Exchange): Operation {
  const select = x.rawQuery === '' && x.req.headers['x-amz-copy-source'] === undefined ? '' : selector(x);
  const found = ROWS.get(`${x.method} ${x.level} ${select}`);
  if (found !== undefined) return found;
  if (x.method === 'OPTIONS') {
    const preflight = ROWS.get(`OPTIONS ${x.level} `);
    if (preflight !== undefined) return preflight;
  }
  if (select !== '' && METHODS.has(x.method)) {
    throw new GatewayError(
      'NotImplemented',
      `${x.method} with "?${select.slice(0, 80)}" is not implemented on a ${x.level} by Penstock.`,
    );
  }
  throw new GatewayError('MethodNotAllowed', undefined, {
    details: { Method: x.method, ResourceType: x.level.toUpperCase() },
  });
}

/** The sub-resource, and for the operations that share one a word that tells them apart. */
function selector(x: Exchange): string {
  const sub = subResource(x.query) ?? '';
  if (x.method === 'PUT' && x.req.headers['x-amz-copy-source'] !== undefined)
    return sub === '' ? 'copy' : `${sub} copy`;
  if (sub === '' && x.method === 'GET' && x.level === 'bucket' && x.param('list-type') === '2') return 'list-type=2';
  return sub;
}
