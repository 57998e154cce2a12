/**
 * The channels to one gateway, and what every call on them carries: a bearer token and the deadline. Promises: a call goes to the channel
 * with the fewest calls under way; a token is minted here and used for half of its life, so that a clock that is a little off does
 * no harm; the secret key never leaves this process.
 */
import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { Channel, type ChannelCredentials, type ChannelOptions, credentials, Metadata, status } from '@grpc/grpc-js';
import { LIMITS } from '../base/limits.ts';
import { mintToken, type TokenKey } from '../format/bearer-token.ts';
import { Pacing, type PacingClock, realPacingClock } from './pacing.ts';
import { PenstockError } from './penstock-error.ts';
import { StreamCall } from './stream-call.ts';

export interface ConnectionOptions {
  /** The gateway's gRPC address: `HOST:PORT`, or as its banner shows it, `http://HOST:PORT`; `https://` means TLS. */
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretKey: string;
  /** The bucket of calls that name none. */
  readonly bucket?: string;
  /** Connect by TLS: `true` trusts the system's authorities, `ca` is a PEM certificate or the path of one. */
  readonly tls?: true | { readonly ca?: Buffer | string };
  /** Connections, 1 by default. A gateway's connection is served by one core, and so is this process: more than cores help nobody. */
  readonly channels?: number;
  /** Options of grpc-js that go before ours: https://github.com/grpc/grpc-node/tree/master/packages/grpc-js#supported-channel-options */
  readonly channelOptions?: ChannelOptions;
  /** Time and chance, for tests. */
  readonly clock?: PacingClock;
}

export interface CallOptions {
  /** Stops it; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Milliseconds for all of it, attempts and pauses included. */
  readonly deadlineMs?: number;
}

const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc-node.flow_control_window': LIMITS.clientWindowBytes,
  'grpc.max_receive_message_length': LIMITS.clientMessageBytesMax,
  // What is sent again is decided here; grpc-js would keep what was written, and say that it was sent when it was not.
  'grpc.enable_retries': 0,
  'grpc.per_rpc_retry_buffer_size': 0,
  // A gateway that starts again is found soon.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2000,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 20_000,
};
const TOKEN_LIFE_MS = 15 * 60_000;
/** The gateway should stop before the caller does, so that what is ready still arrives. */
const DEADLINE_SHARE = 0.1;
const DEADLINE_AHEAD_MS_MAX = 250;
const TIMER_MS_MAX = 2 ** 31 - 1;

interface Lane {
  readonly channel: Channel;
  calls: number;
}

export class Connection {
  readonly bucket: string | undefined;
  readonly clock: PacingClock;
  readonly #lanes: readonly Lane[];
  readonly #key: TokenKey;
  #token = '';
  #tokenFreshUntilMs = 0;
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    const count = options.channels ?? 1;
    if (!Number.isInteger(count) || count < 1 || count > LIMITS.clientChannelsMax)
      throw new RangeError(`channels is ${count}; expected 1 to ${LIMITS.clientChannelsMax}`);
    this.bucket = options.bucket;
    this.clock = options.clock ?? realPacingClock;
    this.#key = { accessKeyId: options.accessKeyId, secretKey: options.secretKey };
    const { target, isTls } = addressOf(options.endpoint);
    const how = credentialsOf(options.tls ?? (isTls ? true : undefined));
    const settings = { ...CHANNEL_OPTIONS, ...options.channelOptions };
    this.#lanes = Array.from({ length: count }, () => ({
      channel: new Channel(target, how, settings),
      calls: 0,
    }));
  }

  get channels(): number {
    return this.#lanes.length;
  }

  /** @throws PenstockError when neither the call nor the client names a bucket */
  bucketOf(options: { readonly bucket?: string | undefined }): string {
    const bucket = options.bucket ?? this.bucket;
    if (bucket !== undefined) return bucket;
    throw new PenstockError('no bucket was named, neither in the call nor in the client', {
      code: status.INVALID_ARGUMENT,
    });
  }

  pacing(options: CallOptions, defaultMs: number = LIMITS.clientDeadlineMs): Pacing {
    return new Pacing(this.clock, options.deadlineMs ?? defaultMs, options.signal);
  }

  /**
   * Begins a call. The caller ends it with `cancel`, whatever happened.
   * @throws PenstockError when the client was closed, and what the signal was aborted with
   */
  open(path: string, remainingMs: number, signal: AbortSignal | undefined): StreamCall {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new PenstockError('the client was closed', { code: status.CANCELLED, retryable: false });
    const lane = this.#lanes.reduce((least, other) => (other.calls < least.calls ? other : least));
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${this.#freshToken()}`);
    const limited = remainingMs <= TIMER_MS_MAX;
    if (limited) metadata.set('grpc-timeout', `${Math.max(1, Math.floor(gatewayMs(remainingMs)))}m`);
    lane.calls += 1;
    const abort = (): void => call.cancel();
    const call = new StreamCall(lane.channel, path, metadata, () => {
      lane.calls -= 1;
      signal?.removeEventListener('abort', abort);
    });
    if (signal !== undefined) {
      setMaxListeners(0, signal); // one signal may well stop a hundred batches
      signal.addEventListener('abort', abort);
    }
    if (limited) call.endAfter(Math.max(1, remainingMs));
    return call;
  }

  /** Calls under way end with CANCELLED. Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const { channel } of this.#lanes) channel.close();
  }

  #freshToken(): string {
    const nowMs = Date.now();
    if (nowMs >= this.#tokenFreshUntilMs) {
      this.#token = mintToken({ ...this.#key, expiresMs: nowMs + TOKEN_LIFE_MS });
      this.#tokenFreshUntilMs = nowMs + TOKEN_LIFE_MS / 2;
    }
    return this.#token;
  }
}

function gatewayMs(remainingMs: number): number {
  return remainingMs - Math.min(remainingMs * DEADLINE_SHARE, DEADLINE_AHEAD_MS_MAX);
}

function credentialsOf(tls: ConnectionOptions['tls']): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  if (tls === true || tls.ca === undefined) return credentials.createSsl();
  const isPath = typeof tls.ca === 'string' && !tls.ca.includes('-----BEGIN');
  return credentials.createSsl(isPath ? readFileSync(tls.ca) : Buffer.from(tls.ca));
}

/** @throws RangeError for a URL that is more than an address */
function addressOf(endpoint: string): { readonly target: string; readonly isTls: boolean } {
  const [, scheme, rest] = /^(https?):\/\/(.*)$/i.exec(endpoint) ?? [];
  if (scheme === undefined || rest === undefined) return { target: endpoint, isTls: false };
  if (!/^[^/?#]+\/?$/.test(rest)) throw new RangeError(`endpoint is ${endpoint}; expected HOST:PORT`);
  return { target: rest.replace(/\/$/, ''), isTls: scheme.toLowerCase() === 'https' };
}
