/**
 * Pages of listings: their parameters, and the tokens between them. Promises: a token means the same page in every worker and
 * after a restart; a token that we did not make is refused.
 *
 * Hardest decision: a token is the place where the next page starts, not a handle, so that nothing is kept between pages.
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { percentEncode } from '../../format/uri.ts';
import type { Exchange } from './request.ts';

/** As in `ListOptions`. */
export interface Place {
  readonly after: string;
  readonly afterPrefix: boolean;
}

export function encodeToken(place: Place): string {
  return Buffer.from(`${place.afterPrefix ? 'p' : 'k'}${place.after}`, 'utf8').toString('base64url');
}

/** @throws GatewayError InvalidArgument */
export function decodeToken(token: string): Place {
  const text = Buffer.from(token, 'base64url').toString('utf8');
  const kind = text.charAt(0);
  if ((kind === 'p' || kind === 'k') && encodeToken({ after: text.slice(1), afterPrefix: kind === 'p' }) === token) {
    return { after: text.slice(1), afterPrefix: kind === 'p' };
  }
  throw new GatewayError('InvalidArgument', 'The continuation token provided is incorrect', {
    details: { ArgumentName: 'continuation-token' },
  });
}

/** A whole number between `min` and what is capped at `max`; `undefined` when the parameter is absent or empty. @throws GatewayError InvalidArgument */
export function integerParam(x: Exchange, name: string, min: number, max: number): number | undefined {
  const text = x.param(name);
  if (text === undefined || text === '') return undefined;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (value < min) {
    throw new GatewayError(
      'InvalidArgument',
      `${name} is "${text.slice(0, 40)}"; expected a whole number of at least ${min}.`,
      {
        details: { ArgumentName: name, ArgumentValue: text.slice(0, 40) },
      },
    );
  }
  return Math.min(value, max);
}

export interface PageQuery {
  readonly prefix: string;
  readonly delimiter: string;
  readonly limit: number;
  readonly encodingType: 'url' | undefined;
  /** Encodes names when the client asked for it. */
  readonly encode: (name: string) => string;
}

/** @throws GatewayError InvalidArgument */
export function pageQuery(x: Exchange, limitName: string): PageQuery {
  const encodingType = x.param('encoding-type');
  if (encodingType !== undefined && encodingType !== '' && encodingType !== 'url') {
    throw new GatewayError('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      details: { ArgumentName: 'encoding-type', ArgumentValue: encodingType.slice(0, 40) },
    });
  }
  const url = encodingType === 'url';
  return {
    prefix: x.param('prefix') ?? '',
    delimiter: x.param('delimiter') ?? '',
    limit: integerParam(x, limitName, 0, LIMITS.listPageMax) ?? LIMITS.listPageMax,
    encodingType: url ? 'url' : undefined,
    encode: url ? (name) => percentEncode(name, true) : (name) => name,
  };
}
