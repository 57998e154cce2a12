/**
 * Where the gateway that a verb talks S3 to may speak gRPC. Promises: an address that was given is used or refused, never passed over;
 * one that nobody gave is only looked for where the S3 address, too, is the default.
 */
import type { Environment } from '../service/credentials.ts';
import { type ConnectionOptions, DEFAULT_ENDPOINT } from './connection.ts';
import { usageError } from './exit.ts';

const DEFAULT_ADDRESS = '127.0.0.1:9002';

export interface GrpcAddress {
  readonly hostAndPort: string;
  readonly isTls: boolean;
  /** Somebody named it: when it does not answer, that is an error. */
  readonly isNamed: boolean;
}

/** `undefined`: there is none to try. @throws CliError of usage */
export function resolveGrpcAddress(
  options: ConnectionOptions & { readonly grpc?: string | false },
  endpoint: URL,
  env: Environment,
): GrpcAddress | undefined {
  if (options.grpc === false) return undefined;
  const isOfSecureGateway = endpoint.protocol === 'https:';
  const named = options.grpc ?? (env.PENSTOCK_GRPC_ENDPOINT || undefined);
  if (named !== undefined) {
    const source = options.grpc === undefined ? 'PENSTOCK_GRPC_ENDPOINT' : '--grpc';
    return { ...parseAddress(named, source, isOfSecureGateway), isNamed: true };
  }
  if (endpoint.origin !== DEFAULT_ENDPOINT) return undefined;
  return { hostAndPort: DEFAULT_ADDRESS, isTls: false, isNamed: false };
}

/** TLS as the S3 address has it, unless a scheme says otherwise. */
function parseAddress(text: string, source: string, isTls: boolean): { hostAndPort: string; isTls: boolean } {
  const [, scheme, hostAndPort = ''] = /^(?:(https?):\/\/)?(.*?)\/?$/.exec(text) ?? [];
  if (!/^([\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}$/.test(hostAndPort))
    throw usageError(`${source} is "${text}"; write it as HOST:PORT, such as ${DEFAULT_ADDRESS} or [::1]:9002.`);
  return { hostAndPort, isTls: scheme === undefined ? isTls : scheme === 'https' };
}
