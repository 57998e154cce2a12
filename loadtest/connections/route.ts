/** How load processes reach a target: plain data, which can be sent to them. */
import { BenchError } from '../../bench/measure/options.ts';
import type { Credentials, Target } from '../suite/target.ts';
import { type Address, addressOf } from '../suite/wire.ts';

export type Place = Pick<Address, 'host' | 'port'>;

export interface Route extends Address {
  /** As requests name it. */
  readonly hostHeader: string;
  readonly grpc: Place | undefined;
  readonly credentials: Credentials;
}

export function routeOf({ endpoint, grpcAddress, credentials }: Target): Route {
  const grpc = grpcAddress === undefined ? undefined : addressOf(new URL(`http://${grpcAddress}`));
  return { ...addressOf(endpoint), hostHeader: endpoint.host, grpc, credentials };
}

/** @throws BenchError for a target without a data plane */
export function grpcOf({ grpc }: Route): Place {
  if (grpc === undefined) throw new BenchError('the gRPC address of the target is not known; give it with --grpc.');
  return grpc;
}
