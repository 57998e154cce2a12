/** A front on the memory store for one test file: its address, SDK clients, raw sockets and the events that it reported. */
import { once } from 'node:events';
import http from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after } from 'node:test';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { systemClock } from '../../src/base/clock.ts';
import type { Storage } from '../../src/base/object-store.ts';
import { signHeaders } from '../../src/format/sigv4-sign.ts';
import type { RequestEvent, S3Front, S3FrontDeps } from '../../src/fronts/s3/front.ts';
import { createS3Front } from '../../src/fronts/s3/server.ts';
import type { Credential } from '../../src/service/credentials.ts';
import { createMemoryStorage } from '../../src/store/memory-store.ts';
import { ALT, credentialsOf, MAIN, ROOT } from './users.ts';

export const REGION = 'us-east-1';
const UNSIGNED = 'UNSIGNED-PAYLOAD';

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface RawRequest {
  readonly method: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Signs as this user; anonymous without. */
  readonly user?: Credential;
  readonly payload?: string;
}

export interface Fixture {
  readonly front: S3Front;
  readonly storage: Storage;
  readonly port: number;
  readonly events: RequestEvent[];
  /** Lines that the front logged as errors: a test that expects none looks here. */
  readonly errors: { readonly facts: Readonly<Record<string, unknown>>; readonly message: string }[];
  client(user: Credential, config?: S3ClientConfig): S3Client;
  /** One request over node:http, exactly as given. */
  send(request: RawRequest): Promise<Reply>;
  /** Bytes on a socket, and everything that comes back until the server closes. */
  raw(bytes: string | Buffer, options?: { readonly end?: boolean }): Promise<string>;
}

export async function startFront(options: Partial<S3FrontDeps> = {}): Promise<Fixture> {
  const storage = options.storage ?? createMemoryStorage();
  const events: RequestEvent[] = [];
  const errors: Fixture['errors'] = [];
  const front = await createS3Front({
    storage,
    credentials: credentialsOf([MAIN, ALT, ROOT]),
    clock: systemClock,
    log: { info() {}, warn() {}, error: (facts, message) => errors.push({ facts, message }) },
    observe: (event) => events.push(event),
    region: REGION,
    domains: ['s3.test'],
    ...options,
  });
  front.server.listen(0, '127.0.0.1');
  await once(front.server, 'listening');
  const { port } = front.server.address() as AddressInfo;
  const clients: S3Client[] = [];
  after(async () => {
    for (const client of clients) client.destroy();
    await front.drain(0);
  });
  return {
    front,
    storage,
    port,
    events,
    errors,
    client(user, config = {}) {
      const client = new S3Client({
        endpoint: `http://127.0.0.1:${port}`,
        region: REGION,
        forcePathStyle: true,
        maxAttempts: 1,
        ...config,
        credentials: { accessKeyId: user.accessKeyId, secretAccessKey: user.secretKey },
      });
      clients.push(client);
      return client;
    },
    send: (request) => send(port, request),
    raw: (bytes, { end = false } = {}) => raw(port, bytes, end),
  };
}

function send(port: number, request: RawRequest): Promise<Reply> {
  const { method, target, body, user, payload = UNSIGNED } = request;
  let headers: Record<string, string> = { host: `127.0.0.1:${port}`, ...request.headers };
  if (user !== undefined) {
    const signer = { accessKeyId: user.accessKeyId, secret: user.secretKey, region: REGION };
    headers = signHeaders({ method, target, headers, payload, nowMs: Date.now() }, signer);
  }
  if (body !== undefined && headers['transfer-encoding'] === undefined)
    headers['content-length'] ??= String(Buffer.byteLength(body));
  return new Promise((resolve, reject) => {
    const req = http.request({ host: '127.0.0.1', port, method, path: target, headers, agent: false });
    req.on('error', reject);
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('error', reject);
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () =>
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks).toString('latin1') }),
      );
    });
    // A string would be joined with the head and sent as UTF-8, which breaks latin1 headers.
    req.end(typeof body === 'string' ? Buffer.from(body) : body);
  });
}

function raw(port: number, bytes: string | Buffer, end: boolean): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    // A reset after the answer is an end as any other; what came before it is what is judged.
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    if (end) socket.end(bytes);
    else socket.write(bytes);
  });
}

/** The Code of an error document. */
export function codeOf(reply: Reply | string): string | undefined {
  const text = typeof reply === 'string' ? reply : reply.body;
  return /<Code>([^<]*)<\/Code>/.exec(text)?.[1];
}
