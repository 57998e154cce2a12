/** Signed S3 requests as bytes for the wire. Those without a body are good for minutes and can be sent again. */
import { UNSIGNED_PAYLOAD } from '../../src/format/sigv4-canonical.ts';
import { type Signer, signHeaders } from '../../src/format/sigv4-sign.ts';
import { percentEncode } from '../../src/format/uri.ts';
import type { Credentials } from './target.ts';

/** SHA-256 of nothing. */
const EMPTY_PAYLOAD = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
/** Servers take signatures of fifteen minutes. */
const YOUNG_MS = 10 * 60_000;
const KEPT_MAX = 100_000;

export class RequestWriter {
  readonly #host: string;
  readonly #bucket: string;
  readonly #signer: Signer;

  /** @param host as the Host header names it */
  constructor(host: string, bucket: string, { accessKeyId, secretKey: secret, region }: Credentials) {
    this.#host = host;
    this.#bucket = bucket;
    this.#signer = { accessKeyId, secret, region };
  }

  /** @param nowMs the signature is good for 15 minutes from then */
  plain(method: 'GET' | 'HEAD' | 'DELETE', key: string, nowMs: number): Buffer {
    const target = `/${this.#bucket}/${percentEncode(key, true)}`;
    return Buffer.from(this.#head(method, target, nowMs, EMPTY_PAYLOAD, {}), 'latin1');
  }

  /** At most 100 keys below a prefix. */
  list(prefix: string, nowMs: number): Buffer {
    const target = `/${this.#bucket}?list-type=2&max-keys=100&prefix=${percentEncode(prefix, false)}`;
    return Buffer.from(this.#head('GET', target, nowMs, EMPTY_PAYLOAD, {}), 'latin1');
  }

  /** With its CRC-32 in a header, by which the server can check what it stores. The body is copied. */
  put(key: string, body: Buffer, crc: number, nowMs: number): Buffer {
    const sum = Buffer.allocUnsafe(4);
    sum.writeUInt32BE(crc);
    const signed = { 'content-type': 'application/octet-stream', 'x-amz-checksum-crc32': sum.toString('base64') };
    const target = `/${this.#bucket}/${percentEncode(key, true)}`;
    const head = this.#head('PUT', target, nowMs, UNSIGNED_PAYLOAD, signed, `content-length: ${body.length}\r\n`);
    return Buffer.concat([Buffer.from(head, 'latin1'), body]);
  }

  /** Without the body, which is sent behind it. */
  putHead(key: string, bytes: number, nowMs: number): Buffer {
    const target = `/${this.#bucket}/${percentEncode(key, true)}`;
    const head = this.#head('PUT', target, nowMs, UNSIGNED_PAYLOAD, {}, `content-length: ${bytes}\r\n`);
    return Buffer.from(head, 'latin1');
  }

  #head(
    method: string,
    target: string,
    nowMs: number,
    payload: string,
    more: Readonly<Record<string, string>>,
    unsigned = '',
  ): string {
    const headers = signHeaders(
      { method, target, headers: { host: this.#host, ...more }, payload, nowMs },
      this.#signer,
    );
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return `${method} ${target} HTTP/1.1\r\n${lines.join('')}${unsigned}\r\n`;
  }
}

/**
 * GETs that are sent again and again, each signed once while its signature is young: signing costs about as much as reading a small object, and
 * clients do not sign in the process whose CPU is watched here.
 */
export class SignedGets {
  readonly #writer: RequestWriter;
  readonly #known = new Map<string, { readonly request: Buffer; readonly untilMs: number }>();

  constructor(writer: RequestWriter) {
    this.#writer = writer;
  }

  of(key: string, nowMs = Date.now()): Buffer {
    const known = this.#known.get(key);
    if (known !== undefined && known.untilMs > nowMs) return known.request;
    const request = this.#writer.plain('GET', key, nowMs);
    if (this.#known.size < KEPT_MAX || known !== undefined)
      this.#known.set(key, { request, untilMs: nowMs + YOUNG_MS });
    return request;
  }
}
