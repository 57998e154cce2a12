/**
 * Requests to a gateway and their answers. Promises: every request is signed, every answer that is not a success is an
 * `S3ReplyError`, what may be repeated is repeated with growing pauses, and where nobody listens the error says what to do.
 *
 * Hardest decision: bodies are buffers, never streams, so that any request can be sent again; large objects go in parts. A
 * refused connection is final at first (the gateway is not there), and repeated once this gateway has answered (it restarts).
 */
import { randomInt } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer as readAll } from 'node:stream/consumers';
import { UNSIGNED_PAYLOAD } from '../format/sigv4-canonical.ts';
import { type Signer, signHeaders } from '../format/sigv4-sign.ts';
import { percentEncode } from '../format/uri.ts';
import type { Connection } from './connection.ts';
import { CliError, EXIT, S3ReplyError } from './exit.ts';
import { type HttpConnections, httpConnections } from './http-exchange.ts';
import { ATTEMPTS_MAX, isRetryFailure, isRetryStatus, pause, pauseMs, transportCode } from './retry.ts';
import { readErrorReply } from './s3-replies.ts';

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly bucket?: string;
  readonly key?: string;
  readonly query?: readonly (readonly [name: string, value: string])[];
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export interface S3Reply {
  readonly status: number;
  readonly body: Readable;
  /** In lower case. */
  readonly headerNames: readonly string[];
  header(name: string): string | undefined;
}

export interface TransportOptions {
  /** Connections at most; each carries one request at a time. */
  readonly connections: number;
  readonly signal: AbortSignal;
  /** How to wait before a repetition; tests do not. */
  readonly pause?: typeof pause;
}

const SILENCE_MS_MAX = 120_000;

/** What `S3Request` names, as it goes on the wire. */
export function targetOf(request: Pick<S3Request, 'bucket' | 'key' | 'query'>): string {
  const bucket = request.bucket === undefined ? '' : percentEncode(request.bucket, true);
  const key = request.key === undefined ? '' : `/${percentEncode(request.key, true)}`;
  const query = (request.query ?? []).map(
    ([name, value]) => `${percentEncode(name, false)}=${percentEncode(value, false)}`,
  );
  return `/${bucket}${key}${query.length === 0 ? '' : `?${query.join('&')}`}`;
}

export class S3Transport {
  readonly signal: AbortSignal;
  readonly #pause: typeof pause;
  readonly #connections: HttpConnections;
  readonly #endpoint: URL;
  readonly #signer: Signer;
  #answered = false;

  constructor(connection: Connection, options: TransportOptions) {
    this.signal = options.signal;
    this.#pause = options.pause ?? pause;
    this.#endpoint = connection.endpoint;
    const { accessKeyId, secretKey, region } = connection;
    this.#signer = { accessKeyId, secret: secretKey, region };
    this.#connections = httpConnections(connection.endpoint, options.connections);
  }

  close(): void {
    this.#connections.close();
  }

  /** @throws S3ReplyError, or CliError when no gateway can be reached */
  async send(request: S3Request, signal = this.signal): Promise<S3Reply> {
    const target = targetOf(request);
    for (let attempt = 1; ; attempt += 1) {
      const last = attempt >= ATTEMPTS_MAX;
      let retryAfter: string | undefined;
      try {
        const reply = await this.#once(request, target, signal);
        if (reply.status < 400) return reply;
        retryAfter = reply.header('retry-after');
        const error = await replyError(request, reply);
        if (last || !isRetryStatus(reply.status)) throw error;
      } catch (error) {
        if (error instanceof S3ReplyError) throw error;
        if (last || signal.aborted || !this.#mayComeBack(error)) throw this.explain(error);
      }
      await this.waitBefore(attempt, retryAfter, signal);
    }
  }

  /** The pause before a repetition. */
  async waitBefore(attempt: number, retryAfter: string | undefined, signal = this.signal): Promise<void> {
    await this.#pause(pauseMs(attempt, randomInt(1000) / 1000, retryAfter), signal);
  }

  /** The whole body of a reply that is small by nature. */
  async sendForBytes(request: S3Request, signal = this.signal): Promise<{ reply: S3Reply; bytes: Buffer }> {
    const reply = await this.send(request, signal);
    try {
      return { reply, bytes: await readAll(reply.body) };
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** For requests whose answer has nothing in it. */
  async sendForHeaders(request: S3Request, signal = this.signal): Promise<S3Reply> {
    return (await this.sendForBytes(request, signal)).reply;
  }

  async #once(request: S3Request, target: string, signal: AbortSignal): Promise<S3Reply> {
    const { method, body } = request;
    const headers = this.#sign(method, target, request.headers);
    const exchange = { method, target, headers, signal, silenceMsMax: SILENCE_MS_MAX };
    const reply = await this.#connections.exchange(body === undefined ? exchange : { ...exchange, body });
    this.#answered = true;
    const header = (name: string): string | undefined => {
      const value = reply.headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    return { status: reply.statusCode ?? 0, body: reply, headerNames: Object.keys(reply.headers), header };
  }

  /** The body is not part of the signature: it has a checksum header, which is, and which costs a twentieth of a SHA-256. */
  #sign(method: string, target: string, plain: S3Request['headers']): Record<string, string> {
    const headers = { ...plain, host: this.#endpoint.host };
    return signHeaders({ method, target, headers, payload: UNSIGNED_PAYLOAD, nowMs: Date.now() }, this.#signer);
  }

  #mayComeBack(error: unknown): boolean {
    return isRetryFailure(error) || (this.#answered && transportCode(error) === 'ECONNREFUSED');
  }

  /** The failure of a transport as an error that says what to do; others unchanged. */
  explain(error: unknown): unknown {
    if (this.signal.aborted) return error;
    const code = transportCode(error);
    if (code === undefined) return error;
    const where = this.#endpoint.origin;
    if (code.includes('CERT') || code.includes('SELF_SIGNED') || code.includes('ISSUER')) {
      const advice = 'Name the file of its authority with NODE_EXTRA_CA_CERTS.';
      return new CliError(`The certificate of ${where} is not trusted (${code}). ${advice}`, EXIT.unreachable, error);
    }
    const advice = 'Start one with `penstock serve`, or name its address with --endpoint or PENSTOCK_ENDPOINT.';
    return new CliError(`No gateway answers at ${where} (${code}). ${advice}`, EXIT.unreachable, error);
  }
}

async function replyError(request: S3Request, reply: S3Reply): Promise<S3ReplyError> {
  const what = request.key === undefined ? (request.bucket ?? 'the gateway') : `${request.bucket}/${request.key}`;
  const parsed = readErrorReply(await readAll(reply.body));
  if (parsed !== undefined) return new S3ReplyError(reply.status, parsed.code, `${parsed.message} (${what})`);
  if (reply.status === 404) {
    const isObject = request.key !== undefined;
    return new S3ReplyError(404, isObject ? 'NoSuchKey' : 'NoSuchBucket', `${what} does not exist.`);
  }
  if (reply.status === 403) return new S3ReplyError(403, 'AccessDenied', `${what} may not be read with this key.`);
  return new S3ReplyError(reply.status, `HTTP${reply.status}`, `${what} was answered with status ${reply.status}.`);
}
