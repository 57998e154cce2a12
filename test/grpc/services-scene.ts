/** The services on a store, called by hand: short ways to call a method and to say what is expected. */
import assert from 'node:assert/strict';
import { systemClock } from '../../src/base/clock.ts';
import { type ErrorCode, GatewayError } from '../../src/base/errors.ts';
import { type Log, silentLog } from '../../src/base/log.ts';
import type { Storage } from '../../src/base/object-store.ts';
import { mintToken } from '../../src/format/bearer-token.ts';
import { loadEntityHashes } from '../../src/format/entity-hash.ts';
import { ErrorInfo, type Status } from '../../src/format/messages.ts';
import type { DataPlane } from '../../src/fronts/grpc/access.ts';
import type { GrpcMethod } from '../../src/fronts/grpc/server-call.ts';
import type { Credential } from '../../src/service/credentials.ts';
import { createMemoryStorage } from '../../src/store/memory-store.ts';
import { ALT, credentialsOf, MAIN, ROOT } from '../s3/users.ts';
import { HandMadeCall } from './hand-made-call.ts';

export interface Plane extends DataPlane {
  /** Lines that were logged as errors. */
  readonly errors: unknown[];
}

export async function openPlane(storage: Storage = createMemoryStorage()): Promise<Plane> {
  const errors: unknown[] = [];
  const log: Log = { ...silentLog, error: (...line: unknown[]) => errors.push(line) };
  const credentials = credentialsOf([MAIN, ALT, ROOT]);
  return { storage, credentials, clock: systemClock, log, hashes: await loadEntityHashes(), errors };
}

export function tokenOf({ accessKeyId, secretKey }: Credential): string {
  return `Bearer ${mintToken({ accessKeyId, secretKey, expiresMs: Date.now() + 60_000 })}`;
}

/** A call of `method` by `user`, anonymous without one. */
export function callAs(user: Credential | undefined, method: GrpcMethod): HandMadeCall {
  return new HandMadeCall(method.path, user === undefined ? {} : { authorization: tokenOf(user) });
}

export function methodOf(methods: readonly GrpcMethod[], name: string): GrpcMethod {
  const method = methods.find(({ path }) => path.endsWith(`/${name}`));
  assert(method !== undefined, `no method ${name}`);
  return method;
}

/** The promise must reject with that refusal, which is returned. */
export async function refusedWith(promise: Promise<unknown>, code: ErrorCode): Promise<GatewayError> {
  const error = await promise.then(
    () => assert.fail(`expected ${code}, but it resolved`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof GatewayError)) throw error;
  assert.equal(error.code, code, error.message);
  return error;
}

/** The S3 code in a status of one entry. */
export function reasonOf(status: Status | undefined): string | undefined {
  const info = status?.details.find(({ typeUrl }) => typeUrl.endsWith('/google.rpc.ErrorInfo'));
  return info === undefined ? undefined : ErrorInfo.decode(info.value).reason;
}
