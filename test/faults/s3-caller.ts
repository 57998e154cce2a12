/** One connection to a gateway that sends signed S3 requests, one at a time: which worker answers is decided when it is opened. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { signHeaders } from '../../src/format/sigv4-sign.ts';
import { percentEncode } from '../../src/format/uri.ts';
import { ROOT } from '../processes/gateway-process.ts';

const SIGNER = { accessKeyId: ROOT.PENSTOCK_ACCESS_KEY, secret: ROOT.PENSTOCK_SECRET_KEY, region: 'us-east-1' };
const ANSWER_MS = 60_000;

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Extras {
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

export class S3Caller {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #url: URL;

  constructor(origin: string) {
    this.#url = new URL(origin);
  }

  /** Rejects when the connection breaks: the outcome of a write is then unknown. */
  async send(method: string, bucket: string, key: string, extras: Extras = {}): Promise<Reply> {
    const path = key === '' ? `/${bucket}` : `/${bucket}/${percentEncode(key, true)}`;
    const target = extras.query === undefined ? path : `${path}?${extras.query}`;
    const length = String(Buffer.byteLength(extras.body ?? ''));
    const headers = signHeaders(
      {
        method,
        target,
        headers: { host: this.#url.host, 'content-length': length, ...extras.headers },
        payload: 'UNSIGNED-PAYLOAD',
        nowMs: Date.now(),
      },
      SIGNER,
    );
    return this.#exchange(method, target, headers, extras.body);
  }

  #exchange(method: string, path: string, headers: Record<string, string>, body: Buffer | string = ''): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const { hostname: host, port } = this.#url;
      const sent = request({ host, port, method, path, headers, agent: this.#agent, timeout: ANSWER_MS }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          if (!answer.complete) return reject(new Error('the answer was cut'));
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) });
        });
      });
      sent.on('timeout', () => sent.destroy(new Error(`no answer in ${ANSWER_MS / 1000} s`)));
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** @throws what the gateway said instead of the status */
  async expect(status: number, method: string, bucket: string, key: string, extras: Extras = {}): Promise<Reply> {
    const reply = await this.send(method, bucket, key, extras);
    if (reply.status !== status)
      throw new Error(
        `${method} /${bucket}/${key}: ${reply.status}, not ${status}: ${reply.body.toString('latin1', 0, 500)}`,
      );
    return reply;
  }

  /** Every key of a bucket with its size, page by page. */
  async list(bucket: string, prefix = ''): Promise<Map<string, number>> {
    const sizes = new Map<string, number>();
    for (let token: string | undefined = ''; token !== undefined; ) {
      const more: string = token === '' ? '' : `continuation-token=${percentEncode(token, false)}&`;
      const query = `${more}list-type=2&prefix=${percentEncode(prefix, false)}`;
      const xml = (await this.expect(200, 'GET', bucket, '', { query })).body.toString();
      for (const [, key, size] of xml.matchAll(
        /<Contents>.*?<Key>([^<]*)<\/Key>.*?<Size>(\d+)<\/Size>.*?<\/Contents>/gs,
      ))
        sizes.set(key as string, Number(size));
      token = /<NextContinuationToken>([^<]*)</.exec(xml)?.[1];
    }
    return sizes;
  }

  close(): void {
    this.#agent.destroy();
  }
}

export function codeOf(reply: Reply): string | undefined {
  return /<Code>([^<]*)<\/Code>/.exec(reply.body.toString('latin1'))?.[1];
}
