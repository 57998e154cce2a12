/** How load processes reach a target: plain data, which can be sent to them. */
import { BenchError } from '../../bench/measure/options.ts';
import type { Credentials, Target } from '../suite/target.ts';

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface Route extends Place {
  readonly isTls: boolean;
  /** As requests name it. */
  readonly hostHeader: string;
  readonly grpc: Place | undefined;
  readonly credentials: Credentials;
}

export function routeOf({ endpoint, grpcAddress, credentials }: Target): Route {
  const isTls = endpoint.protocol === 'https:';
  const place = placeOf(endpoint, isTls ? 443 : 80);
  const grpc = grpcAddress === undefined ? undefined : placeOf(new URL(`http://${grpcAddress}`), 80);
  return { ...place, isTls, hostHeader: endpoint.host, grpc, credentials };
}

/** @throws BenchError for a target without a data plane */
export function grpcOf({ grpc }: Route): Place {
  if (grpc === undefined) throw new BenchError('the gRPC address of the target is not known; give it with --grpc.');
  return grpc;
}

/** As `node:net` takes it: an address of IPv6 without brackets. */
function placeOf({ hostname, port }: URL, otherwise: number): Place {
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? otherwise : Number(port) };
}
