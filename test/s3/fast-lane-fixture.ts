/** Two fronts over one store, one of them without the fast lane, and the words of conversations with both. */
import { connect } from 'node:net';
import type { ObjectStore, Storage } from '../../src/base/object-store.ts';
import { signHeaders } from '../../src/format/sigv4-sign.ts';
import type { Credential } from '../../src/service/credentials.ts';
import { createMemoryStorage } from '../../src/store/memory-store.ts';
import { type Fixture, REGION, startFront } from './front-fixture.ts';
import { MAIN } from './users.ts';

export const BUCKET = 'lane-bucket';
const PAYLOAD = 'UNSIGNED-PAYLOAD';

export interface Twins {
  readonly lane: Fixture;
  readonly plain: Fixture;
  /** How often the front with the lane asked its store the slow way. */
  readonly slowGets: () => number;
}

/** `change` may make some reads not be at hand. */
export function countingStorage(
  inner: Storage,
  isAtHand: (key: string) => boolean = () => true,
): { storage: Storage; slowGets: () => number } {
  let slow = 0;
  const objects = new Proxy(inner.objects, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === 'getNow')
        return (...of: Parameters<NonNullable<ObjectStore['getNow']>>) =>
          isAtHand(of[1]) ? target.getNow?.(...of) : undefined;
      if (name !== 'get') return typeof value === 'function' ? value.bind(target) : value;
      return async (...of: Parameters<ObjectStore['get']>) => {
        slow += 1;
        // Long enough for the next piece of a conversation to arrive first.
        for (let turns = isAtHand(of[1]) ? 0 : 5; turns > 0; turns -= 1)
          await new Promise((resolve) => setImmediate(resolve));
        return target.get(...of);
      };
    },
  });
  return { storage: { ...inner, objects }, slowGets: () => slow };
}

/** The same store for a front that has no fast lane. */
function withoutLane(inner: Storage): Storage {
  const objects = new Proxy(inner.objects, {
    get(target, name) {
      if (name === 'getNow') return undefined;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { ...inner, objects };
}

export async function startTwins(inner = createMemoryStorage(), isAtHand?: (key: string) => boolean): Promise<Twins> {
  const { storage, slowGets } = countingStorage(inner, isAtHand);
  const lane = await startFront({ storage });
  const plain = await startFront({ storage: withoutLane(inner) });
  return { lane, plain, slowGets };
}

export interface Head {
  readonly line: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** A signed request as the pieces that a test may change. */
export function signedHead(
  method: string,
  target: string,
  options: {
    readonly user?: Credential;
    readonly host?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly unsigned?: Readonly<Record<string, string>>;
    readonly nowMs?: number;
  } = {},
): Head {
  const { user = MAIN, host = 'localhost', headers = {}, unsigned = {}, nowMs = Date.now() } = options;
  const signer = { accessKeyId: user.accessKeyId, secret: user.secretKey, region: REGION };
  const signed = signHeaders({ method, target, headers: { host, ...headers }, payload: PAYLOAD, nowMs }, signer);
  return { line: `${method} ${target} HTTP/1.1`, headers: [...Object.entries(signed), ...Object.entries(unsigned)] };
}

export function headText({ line, headers }: Head): string {
  return `${line}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

export function get(key: string, options?: Parameters<typeof signedHead>[2]): string {
  return headText(signedHead('GET', `/${BUCKET}/${key}`, options));
}

export function put(key: string, body: string): string {
  const unsigned = { 'content-length': String(Buffer.byteLength(body, 'latin1')) };
  return headText(signedHead('PUT', `/${BUCKET}/${key}`, { unsigned })) + body;
}

/**
 * Sends pieces one after the other and resolves with what came back until the server closed. With `halfClose` the client says that
 * it is done, upon which node:http drops what it has not answered yet; without, the last request must ask for the end.
 */
export function converse(port: number, pieces: readonly Buffer[], halfClose: boolean): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const parts: Buffer[] = [];
    socket.setNoDelay(true);
    socket.on('data', (chunk) => parts.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(parts).toString('latin1')));
    const next = (i: number): void => {
      const piece = pieces[i];
      // A turn of the event loop between two pieces, so that they mostly arrive as they were cut.
      if (piece !== undefined) socket.write(piece, () => setImmediate(next, i + 1));
      else if (halfClose) socket.end();
    };
    next(0);
  });
}

/** Without what no two answers share. */
export function normalised(text: string): string {
  return text
    .replace(/(\r\n(?:Date|Last-Modified): )[^\r]*/g, '$1-')
    .replace(/(\r\nx-amz-request-id: )[0-9A-F]{16}/g, '$1-')
    .replace(/(\r\nx-amz-id-2: )[^\r]*/g, '$1-')
    .replace(/<RequestId>[^<]*/g, '<RequestId>-')
    .replace(/<HostId>[^<]*/g, '<HostId>-')
    .replace(/<ServerTime>[^<]*/g, '<ServerTime>-')
    .replace(/<LastModified>[^<]*/g, '<LastModified>-');
}
