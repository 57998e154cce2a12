/**
 * Virtual-host style: which bucket a Host header names. Promises: case and port never matter, a host that is none of ours is
 * path style (so that any name or address works), and what is no host at all is refused.
 */
import { GatewayError } from '../../base/errors.ts';

const HOST = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/;
/** Bound of the memory of parsed Host headers; it is emptied when it is full. */
const HOSTS_MAX = 1000;

/** Bucket label of each Host that was seen: `undefined` is path style. */
export class HostTable {
  readonly #domains: readonly string[];
  readonly #seen = new Map<string, string | undefined>();

  constructor(domains: readonly string[]) {
    this.#domains = domains.map((domain) => `.${domain.toLowerCase()}`);
  }

  /** @throws GatewayError InvalidRequest when it is no host at all */
  bucketOf(header: string): string | undefined {
    const known = this.#seen.get(header);
    if (known !== undefined || this.#seen.has(header)) return known;
    const bucket = this.#parse(header.toLowerCase());
    if (this.#seen.size >= HOSTS_MAX) this.#seen.clear();
    this.#seen.set(header, bucket);
    return bucket;
  }

  #parse(host: string): string | undefined {
    if (!HOST.test(host)) throw new GatewayError('InvalidRequest', 'The Host header is empty or malformed.');
    const name = host.replace(/:\d+$/, '');
    for (const domain of this.#domains) {
      if (name.endsWith(domain) && name.length > domain.length) return name.slice(0, -domain.length);
    }
    return undefined;
  }
}
