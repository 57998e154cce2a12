/**
 * Plain HTTP for what no client is to be tested with: targets that go out as they are written (`fetch` would resolve `..`), and
 * buckets of thousands of objects, which foreign clients take half a minute to make.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { signHeaders } from '../../src/format/sigv4-sign.ts';
import { ACCESS_KEY, REGION, SECRET_KEY, sha256 } from './scene.ts';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface RawRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly agent?: Agent;
}

/** @param url with the target as it is to be sent, dots and all */
export async function rawRequest(url: string, { body, ...options }: RawRequest = {}): Promise<RawAnswer> {
  const [, host = '', port = '', target = ''] = /^http:\/\/([^/:]+):(\d+)(.*)$/.exec(url) ?? [];
  const sent = request({ host, port, path: target, ...options });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, headers: response.headers, body: await buffer(response) };
}

/** Signed by our own signer. */
export async function signedRequest(url: string, options: RawRequest = {}): Promise<RawAnswer> {
  const { host, origin } = new URL(url);
  const { method = 'GET', headers, body = '' } = options;
  const toSign = {
    method,
    target: url.slice(origin.length),
    headers: { ...headers, host },
    payload: sha256(body),
    nowMs: Date.now(),
  };
  const signed = signHeaders(toSign, { accessKeyId: ACCESS_KEY, secret: SECRET_KEY, region: REGION });
  return rawRequest(url, { ...options, headers: signed });
}

const WRITERS = 32;

/**
 * Puts small objects into a bucket, each with its key as body: `0000/0`, `0000/1` ... ten in a folder.
 *
 * @returns the keys in order
 */
export async function fillBucket(endpoint: string, bucket: string, count: number): Promise<string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: WRITERS });
  const keys = Array.from({ length: count }, (_, i) => `${String(Math.floor(i / 10)).padStart(4, '0')}/${i % 10}`);
  let next = 0;
  const write = async () => {
    for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
      const { status, body } = await signedRequest(`${endpoint}/${bucket}/${key}`, { method: 'PUT', body: key, agent });
      assert.equal(status, 200, body.toString());
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  agent.destroy();
  return keys;
}
