/** Stores that a load goes to: plain data, which is sent to the process that loads. */
import { PenstockClient } from '../../src/client/client.ts';
import type { Credentials, Target } from '../suite/target.ts';

/** One store: a gateway, or whatever speaks S3. */
export interface Server {
  /** Scheme, host and port of S3. */
  readonly endpoint: string;
  /** `host:port` of the data plane. */
  readonly grpc?: string | undefined;
  readonly credentials: Credentials;
}

export function serverOf({ endpoint, grpcAddress, credentials }: Target): Server {
  return { endpoint: endpoint.href, grpc: grpcAddress, credentials };
}

/** @throws Error for a store without a data plane */
export function grpcOf({ grpc, endpoint }: Server): string {
  if (grpc !== undefined) return grpc;
  throw new Error(`no gRPC address is known of ${endpoint}`);
}

/** The published client; close it. */
export function clientOf(server: Server, bucket: string, channels: number): PenstockClient {
  const { accessKeyId, secretKey } = server.credentials;
  return new PenstockClient({ endpoint: grpcOf(server), accessKeyId, secretKey, bucket, channels });
}
