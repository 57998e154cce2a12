/**
 * The objects below a prefix by key, for callers whose own order is not that of the listing. Holds at most a million keys; a
 * key beyond the last one held is asked for by itself.
 */
import { compareUtf8 } from '../store/sorted-map.ts';
import type { S3Client } from './s3-client.ts';
import type { RemoteObject } from './sync-plan.ts';

const KEYS_MAX = 1_000_000;

export class RemoteIndex {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #keysMax: number;
  #held: Map<string, RemoteObject> | undefined;
  /** Set when there are more keys than are held. */
  #last: string | undefined;

  constructor(client: S3Client, bucket: string, prefix: string, keysMax = KEYS_MAX) {
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#keysMax = keysMax;
  }

  async find(key: string): Promise<RemoteObject | undefined> {
    this.#held ??= await this.#load();
    if (this.#last === undefined || compareUtf8(key, this.#last) <= 0) return this.#held.get(key);
    const head = await this.#client.head(this.#bucket, key);
    return head && { key, size: head.size, etag: head.etag, modifiedMs: head.modifiedMs };
  }

  async #load(): Promise<Map<string, RemoteObject>> {
    const held = new Map<string, RemoteObject>();
    for await (const object of this.#client.objects(this.#bucket, this.#prefix)) {
      held.set(object.key, object);
      if (held.size < this.#keysMax) continue;
      this.#last = object.key;
      break;
    }
    return held;
  }
}
