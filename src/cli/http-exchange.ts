/**
 * One HTTP request and its answer, over connections that are kept. On node:http and not on undici: undici 7 ends the process
 * with an assertion that nobody can catch when a server closes after an answer whose body is still being read (its issue 5360,
 * 2026-06, repaired in 8, which needs Node 22), and "Connection: close" on every answer is how a gateway drains.
 */
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';

export interface Exchange {
  readonly method: string;
  /** Path and query, sent as they are. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly signal: AbortSignal;
  /** Longest silence of the connection. */
  readonly silenceMsMax: number;
}

export interface HttpConnections {
  /** Resolves when the head of the answer is there. Its body must be read, or destroyed. */
  exchange(exchange: Exchange): Promise<IncomingMessage>;
  close(): void;
}

export function httpConnections(endpoint: URL, connectionsMax: number): HttpConnections {
  const options = { keepAlive: true, maxSockets: connectionsMax, scheduling: 'lifo' } as const;
  const isHttps = endpoint.protocol === 'https:';
  const agent = isHttps ? new HttpsAgent(options) : new HttpAgent(options);
  const request = isHttps ? requestHttps : requestHttp;
  const hostname = endpoint.hostname.replace(/^\[|\]$/g, '');
  return {
    exchange: ({ method, target, headers, body, signal, silenceMsMax }) =>
      new Promise((resolve, reject) => {
        const bodyHeaders =
          method === 'PUT' || method === 'POST' ? { 'content-length': String(body?.length ?? 0) } : {};
        const sent = { ...headers, ...bodyHeaders };
        const outgoing = request({ agent, hostname, port: endpoint.port, method, path: target, headers: sent, signal });
        outgoing.on('response', resolve);
        outgoing.on('error', reject);
        outgoing.setTimeout(silenceMsMax, () => {
          const seconds = silenceMsMax / 1000;
          outgoing.destroy(Object.assign(new Error(`no answer within ${seconds} s`), { code: 'ETIMEDOUT' }));
        });
        outgoing.end(body);
      }),
    close: () => agent.destroy(),
  };
}
