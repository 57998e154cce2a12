/** `grpc-timeout`: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests */
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** In milliseconds, `undefined` when it is malformed. At most what a timer can hold. */
export function parseTimeout(value: string): number | undefined {
  const match = TIMEOUT.exec(value);
  if (match === null) return undefined;
  return Math.min(Number(match[1]) * (UNIT_MS[match[2] as string] as number), 2 ** 31 - 1);
}
