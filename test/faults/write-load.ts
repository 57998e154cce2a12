/** Clients that write, overwrite and delete without pause, each under keys of its own, and note in a ledger what became of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attempt, Ledger } from './ledger.ts';
import { codeOf, type Extras, type Reply, S3Caller } from './s3-caller.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
/** Most objects are small, as images are; one in a hundred has several extents, or comes in parts. */
const SIZES = [0, 1, 100, 2 * KiB, 16 * KiB, 16 * KiB, 64 * KiB, 200 * KiB];
const BIG = 4 * MiB + 123_457;
/** Answers which say that nothing was stored. */
const REFUSALS =
  /^(StorageFull|StoreFailure|SlowDown|PreconditionFailed|NoSuchUpload|NoSuchBucket|ConditionalRequestConflict)$/;

export interface LoadOptions {
  readonly origin: string;
  readonly bucket: string;
  readonly ledger: Ledger;
  readonly clients: number;
  readonly keysPerClient: number;
  /** Of a hundred writes, how many are big ones and how many come in parts. */
  readonly bigShare?: number;
  readonly name?: string;
  readonly random?: () => number;
}

export interface WriteLoad {
  /** How often each answer came: `stored`, `deleted` (or was absent), `broken`, or an error code. */
  readonly answers: Map<string, number>;
  readonly faults: string[];
  /** Resolves when this many more writes were acknowledged. */
  acknowledged(more: number): Promise<void>;
  /** The clients end after their request, or, when the gateway is gone, at once. */
  stop(): Promise<void>;
}

export function startWriteLoad(options: LoadOptions): WriteLoad {
  const { ledger } = options;
  const state = { running: true };
  const answers = new Map<string, number>();
  const faults: string[] = [];
  const count = (what: string) => answers.set(what, (answers.get(what) ?? 0) + 1);
  const done = Promise.all(
    Array.from({ length: options.clients }, (_, i) => new Writer(options, i, count, faults).run(state)),
  );
  return {
    answers,
    faults,
    acknowledged: async (more) => {
      const goal = ledger.acknowledgements + more;
      while (ledger.acknowledgements < goal && state.running) await sleep(5);
    },
    stop: async () => {
      state.running = false;
      await done;
    },
  };
}

class Writer {
  readonly #options: LoadOptions;
  readonly #index: number;
  readonly #count: (what: string) => void;
  readonly #faults: string[];
  readonly #caller: S3Caller;

  constructor(options: LoadOptions, index: number, count: (what: string) => void, faults: string[]) {
    this.#options = options;
    this.#index = index;
    this.#count = count;
    this.#faults = faults;
    this.#caller = new S3Caller(options.origin);
  }

  async run(state: { running: boolean }): Promise<void> {
    while (state.running) {
      const ok = await this.#step();
      if (!ok) await sleep(20);
    }
    this.#caller.close();
  }

  /** False when the gateway was not there, or refused. */
  async #step(): Promise<boolean> {
    const { ledger, keysPerClient, name = 'k', random = Math.random, bigShare = 1 } = this.#options;
    const key = `${name}/${this.#index}/${Math.floor(random() * keysPerClient)}`;
    const choice = random() * 100;
    if (choice < 15) return this.#attempt(key, ledger.begin(key, 'absent'), () => this.#remove(key));
    if (choice < 15 + bigShare) {
      const version = ledger.newVersion(BIG);
      return this.#attempt(key, ledger.begin(key, version), () => this.#put(key, ledger.bytes(version)));
    }
    if (choice < 15 + 2 * bigShare) {
      const version = ledger.newVersion(5 * MiB + Math.floor(random() * 1000));
      return this.#attempt(key, ledger.begin(key, version), () => this.#putParts(key, ledger.bytes(version)));
    }
    const size = SIZES[Math.floor(random() * SIZES.length)] ?? 0;
    const version = ledger.newVersion(size === 0 ? 0 : size + Math.floor(random() * 64));
    const conditional = choice > 80 && ledger.settled(key) === 'absent';
    const headers: Record<string, string> = conditional ? { 'if-none-match': '*' } : {};
    return this.#attempt(key, ledger.begin(key, version), () => this.#put(key, ledger.bytes(version), { headers }));
  }

  async #attempt(key: string, attempt: Attempt, work: () => Promise<Reply>): Promise<boolean> {
    let reply: Reply;
    try {
      reply = await work();
    } catch {
      attempt.leaveOpen();
      this.#count('broken');
      return false;
    }
    if (reply.status < 300) {
      attempt.acknowledge();
      this.#count(reply.status === 204 ? 'deleted' : 'stored');
      return true;
    }
    const code = codeOf(reply) ?? `status ${reply.status}`;
    this.#count(code);
    if (REFUSALS.test(code)) attempt.refuse();
    else attempt.leaveOpen();
    if (!REFUSALS.test(code) && !/^(StoreBusy|ServerClosed)$/.test(code) && this.#faults.length < 20)
      this.#faults.push(`${key}: ${reply.status} ${reply.body.toString('latin1', 0, 400)}`);
    return false;
  }

  #remove(key: string): Promise<Reply> {
    return this.#caller.send('DELETE', this.#options.bucket, key);
  }

  #put(key: string, body: Buffer, extras: Extras = {}): Promise<Reply> {
    return this.#caller.send('PUT', this.#options.bucket, key, { ...extras, body });
  }

  async #putParts(key: string, bytes: Buffer): Promise<Reply> {
    const { bucket } = this.#options;
    const created = await this.#caller.send('POST', bucket, key, { query: 'uploads=' });
    const id = /<UploadId>([^<]*)</.exec(created.body.toString())?.[1];
    if (id === undefined) return refusedBefore(created);
    const parts = [bytes.subarray(0, 5 * MiB), bytes.subarray(5 * MiB)];
    let xml = '';
    for (const [i, body] of parts.entries()) {
      const sent = await this.#caller.send('PUT', bucket, key, { query: `partNumber=${i + 1}&uploadId=${id}`, body });
      if (sent.status !== 200) return refusedBefore(sent);
      xml += `<Part><PartNumber>${i + 1}</PartNumber><ETag>${sent.headers.etag}</ETag></Part>`;
    }
    return this.#caller.send('POST', bucket, key, {
      query: `uploadId=${id}`,
      body: `<CompleteMultipartUpload>${xml}</CompleteMultipartUpload>`,
    });
  }
}

/** A step before the last failed: whatever became of that step, the object was not touched. */
function refusedBefore(reply: Reply): Reply {
  if (codeOf(reply) !== 'StoreBusy') return reply;
  return { ...reply, body: Buffer.from('<Code>StoreFailure</Code>') };
}

/** Reads every key of the ledger and of the bucket, and says what is wrong with the store. */
export async function faultsOf(origin: string, bucket: string, ledger: Ledger, prefix = ''): Promise<string[]> {
  const caller = new S3Caller(origin);
  const faults: string[] = [];
  try {
    const listed = await caller.list(bucket, prefix);
    for (const key of new Set([...ledger.keys(), ...listed.keys()])) {
      const reply = await caller.send('GET', bucket, key);
      if (reply.status !== 200 && reply.status !== 404) {
        faults.push(`${key}: ${reply.status} ${reply.body.toString('latin1', 0, 300)}`);
        continue;
      }
      const found = reply.status === 404 ? 'absent' : reply.body;
      const fault = ledger.judge(key, found);
      if (fault !== undefined) faults.push(fault);
      const size = found === 'absent' ? undefined : found.length;
      if (listed.get(key) !== size) faults.push(`${key} is listed with ${listed.get(key)} bytes and has ${size}`);
    }
  } finally {
    caller.close();
  }
  return faults;
}
