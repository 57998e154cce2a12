/** Heads of signed S3 requests, ready for the wire. Those of GETs are kept, so that signing is not what a load generator does. */
import { targetOf } from '../../src/cli/s3-transport.ts';
import { type Signer, signHeaders } from '../../src/format/sigv4-sign.ts';
import type { Route } from './route.ts';

/** SHA-256 of nothing. */
const EMPTY_PAYLOAD = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
/** A signature is good for 15 minutes. */
const KEPT_MS = 5 * 60 * 1000;
const KEPT_MAX = 100_000;

export class SignedHeads {
  readonly #host: string;
  readonly #signer: Signer;
  readonly #gets = new Map<string, string>();
  #keptSinceMs = 0;

  constructor({ hostHeader, credentials: { accessKeyId, secretKey: secret, region } }: Route) {
    this.#host = hostHeader;
    this.#signer = { accessKeyId, secret, region };
  }

  get(bucket: string, key: string): string {
    const nowMs = performance.now();
    if (nowMs - this.#keptSinceMs > KEPT_MS || this.#gets.size >= KEPT_MAX) {
      this.#gets.clear();
      this.#keptSinceMs = nowMs;
    }
    const id = `${bucket}/${key}`;
    const known = this.#gets.get(id);
    if (known !== undefined) return known;
    const head = this.#head('GET', bucket, key, EMPTY_PAYLOAD, {});
    this.#gets.set(id, head);
    return head;
  }

  put(bucket: string, key: string, bytes: number): string {
    return this.#head('PUT', bucket, key, 'UNSIGNED-PAYLOAD', { 'content-length': String(bytes) });
  }

  delete(bucket: string, key: string): string {
    return this.#head('DELETE', bucket, key, EMPTY_PAYLOAD, {});
  }

  #head(method: string, bucket: string, key: string, payload: string, more: Readonly<Record<string, string>>): string {
    const target = targetOf({ bucket, key });
    const headers = { host: this.#host };
    const signed = signHeaders({ method, target, headers, payload, nowMs: Date.now() }, this.#signer);
    const lines = Object.entries({ ...signed, ...more }).map(([name, value]) => `${name}: ${value}\r\n`);
    return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
  }
}
