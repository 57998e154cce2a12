// HOT PATH (bench: bench/sigv4.ts)
/**
 * The secret side of AWS Signature Version 4: the day key, HMAC with it, and a bounded cache of the day keys that have proven
 * themselves.
 *
 * Hardest decision: HMAC-SHA256 (RFC 2104) is made of one-shot hashes over two buffers that keep the padded key, because
 * `createHmac` with a Buffer key costs 14 µs on Node 24 and this costs under 2 (2026-11).
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';

const BLOCK = 64;
const DIGEST = 32;
/** Longest string to sign of headers, URLs and chunks with a region of at most `REGION_CHARS_MAX`. Longer ones allocate. */
const MESSAGE_ROOM = 512;
const HEX_DIGEST = 2 * DIGEST;

export const REGION_CHARS_MAX = 64;
export const ACCESS_KEY_CHARS_MAX = 128;
const TERMINATOR = 'aws4_request';
const SERVICE = 's3';

/** Signs with one day key. Not reentrant, and it need not be: every call is synchronous. */
export class SigningKey {
  readonly #inner = Buffer.alloc(BLOCK + MESSAGE_ROOM);
  readonly #outer = Buffer.alloc(BLOCK + DIGEST);
  readonly #compare = Buffer.alloc(2 * HEX_DIGEST);
  readonly #expected = this.#compare.subarray(0, HEX_DIGEST);
  readonly #given = this.#compare.subarray(HEX_DIGEST);

  /** @param key 32 bytes, copied */
  constructor(key: Uint8Array) {
    for (let i = 0; i < BLOCK; i += 1) {
      const byte = key[i] ?? 0;
      this.#inner[i] = byte ^ 0x36;
      this.#outer[i] = byte ^ 0x5c;
    }
  }

  /** HMAC-SHA256 of ASCII text, as 64 lower-case hex digits. */
  sign(message: string): string {
    let input = this.#inner;
    if (message.length > MESSAGE_ROOM) {
      input = Buffer.alloc(BLOCK + message.length);
      this.#inner.copy(input, 0, 0, BLOCK);
    }
    const length = BLOCK + input.write(message, BLOCK, 'latin1');
    // Node hands out strings at half the cost of buffers.
    this.#outer.write(hash('sha256', input.subarray(0, length), 'binary'), BLOCK, 'latin1');
    return hash('sha256', this.#outer, 'hex');
  }

  /** Whether `signature` is the one of `message`, in a time that does not depend on where they differ. */
  matches(message: string, signature: string): boolean {
    if (!isHexDigest(signature)) return false;
    this.#expected.write(this.sign(message), 'latin1');
    this.#given.write(signature, 'latin1');
    return timingSafeEqual(this.#expected, this.#given);
  }
}

/** 64 lower-case hex digits: SHA-256 in the only spelling that SigV4 knows. */
export function isHexDigest(text: string): boolean {
  if (text.length !== HEX_DIGEST) return false;
  for (let i = 0; i < HEX_DIGEST; i += 1) {
    const code = text.charCodeAt(i);
    const isHex = (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66);
    if (!isHex) return false;
  }
  return true;
}

/** Derives the key of one secret, day (`20130524`) and region. About five HMACs: cache it. */
export function deriveSigningKey(secret: string, day: string, region: string): SigningKey {
  const dayKey = createHmac('sha256', `AWS4${secret}`).update(day).digest();
  const regionKey = createHmac('sha256', dayKey).update(region).digest();
  const serviceKey = createHmac('sha256', regionKey).update(SERVICE).digest();
  return new SigningKey(createHmac('sha256', serviceKey).update(TERMINATOR).digest());
}

/** `AccessKeyId/20130524/us-east-1/s3/aws4_request`, taken apart. */
export interface Credential {
  readonly text: string;
  readonly accessKeyId: string;
  readonly day: string;
  readonly region: string;
  /** Everything after the access key id: `20130524/us-east-1/s3/aws4_request`. */
  readonly scope: string;
}

/** The parts of a credential, or what is wrong with it. Any region is taken; access key ids may hold slashes. */
export function parseCredential(text: string): Credential | string {
  const parts = text.split('/');
  if (parts.length < 5) return `the credential "${text.slice(0, 160)}" is not KEY/YYYYMMDD/REGION/s3/aws4_request`;
  const [day = '', region = '', service, terminator] = parts.slice(-4);
  const accessKeyId = parts.slice(0, -4).join('/');
  if (accessKeyId.length === 0 || accessKeyId.length > ACCESS_KEY_CHARS_MAX)
    return 'the access key id is empty or too long';
  if (!/^\d{8}$/.test(day)) return `the credential's date "${day.slice(0, 20)}" is not YYYYMMDD`;
  if (!/^[\w-]+$/.test(region) || region.length > REGION_CHARS_MAX)
    return `the region "${region.slice(0, 80)}" is not a region name`;
  if (service !== SERVICE) return `the service "${service?.slice(0, 20)}" is not "${SERVICE}"`;
  if (terminator !== TERMINATOR) return `the credential ends in "${terminator?.slice(0, 20)}", not in "${TERMINATOR}"`;
  return { text, accessKeyId, day, region, scope: text.slice(accessKeyId.length + 1) };
}

export interface ProvenKey {
  readonly credential: Credential;
  readonly secret: string;
  readonly key: SigningKey;
}

const LISTS_MAX = 256;
const LIST_CHARS_MAX = 512;

/** Parsed SignedHeaders by their text. Emptied when full, so that a stranger with made-up lists costs a parse and no memory. */
class SignedLists {
  readonly #lists = new Map<string, readonly string[]>();

  get(list: string): readonly string[] | undefined {
    return this.#lists.get(list);
  }

  add(list: string, names: readonly string[]): void {
    if (list.length > LIST_CHARS_MAX) return;
    if (this.#lists.size >= LISTS_MAX) this.#lists.clear();
    this.#lists.set(list, names);
  }
}

/**
 * Day keys by credential text, oldest out first. Only keys that verified a signature belong here, so that a stranger cannot
 * wash it out with made-up regions. Holders compare `secret` with the present one before use.
 */
export class SigningKeyCache {
  readonly signedLists = new SignedLists();
  readonly #entries = new Map<string, ProvenKey>();
  readonly #entriesMax: number;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get(credential: string): ProvenKey | undefined {
    return this.#entries.get(credential);
  }

  add(entry: ProvenKey): void {
    this.#entries.delete(entry.credential.text);
    this.#entries.set(entry.credential.text, entry);
    if (this.#entries.size <= this.#entriesMax) return;
    const oldest = this.#entries.keys().next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }

  get size(): number {
    return this.#entries.size;
  }
}
