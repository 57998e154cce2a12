/**
 * gRPC's frame around a message, and the two messages of `grpc.health.v1`. Pure.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto
 */
import protobuf from 'protobufjs/minimal.js';

/** Flag byte and length, before every message. */
export const PREFIX_BYTES = 5;

export const SERVING_STATUS = { serving: 1, notServing: 2, serviceUnknown: 3 } as const;
export type ServingStatus = (typeof SERVING_STATUS)[keyof typeof SERVING_STATUS];

/** A framed HealthCheckResponse. */
export function encodeHealthResponse(status: ServingStatus): Buffer {
  return Buffer.from([0, 0, 0, 0, 2, 0x08, status]);
}

/** The `service` of a HealthCheckRequest. @throws RangeError or Error when it is no such message */
export function decodeHealthRequest(message: Buffer): string {
  const reader = protobuf.Reader.create(message);
  let service = '';
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x0a) service = reader.string();
    else reader.skipType(tag & 7);
  }
  return service;
}

/** A value for `grpc-message`: printable ASCII, everything else percent-encoded, since node:http2 sends header values unchecked. */
export function encodeStatusMessage(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text.slice(0, 1024))) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** `grpc-timeout` in milliseconds, `undefined` when it is malformed. At most what a timer can hold. */
export function parseTimeout(value: string): number | undefined {
  const match = TIMEOUT.exec(value);
  if (match === null) return undefined;
  return Math.min(Number(match[1]) * (UNIT_MS[match[2] as string] as number), 2 ** 31 - 1);
}
