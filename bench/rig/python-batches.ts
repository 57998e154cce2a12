/** Batches read by Python, in a process of its own: see batch_load.py. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { mintToken } from '../../src/format/bearer-token.ts';
import { type Belongings, onCore } from '../measure/belongings.ts';
import { BenchError } from '../measure/options.ts';
import type { BatchLoad, BatchOrder, BatchReply } from './batch-clients.ts';
import { SIGNER } from './signed-requests.ts';

const PROGRAM = fileURLToPath(new URL('batch_load.py', import.meta.url));
const CLIENT = fileURLToPath(new URL('../../clients/python/src', import.meta.url));
const TOKEN_LIFE_MS = 3_600_000;

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PYTHONPATH: CLIENT };
}

/** What it would read with; `undefined` where Python has no grpcio. */
export function pythonClient(python: string): string | undefined {
  const can = (statement: string): boolean => spawnSync(python, ['-c', statement], { env: environment() }).status === 0;
  if (can('from penstock_client import Client')) return 'Python client';
  return can('import grpc') ? 'Python grpcio, bytes counted' : undefined;
}

export class PythonBatches {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(owned: Belongings, options: { readonly python: string; readonly core: number; readonly cores: number }) {
    const [command, args] = onCore(options.core, options.cores, options.python, [PROGRAM]);
    this.#child = owned.spawn(command, args, 'python3-grpcio', {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: environment(),
    });
    this.#lines = createInterface({ input: this.#child.stdout as Readable })[Symbol.asyncIterator]();
  }

  async run({ port, bucket, set, batch, streams, seconds }: Omit<BatchOrder, 'by'>): Promise<BatchLoad> {
    const key = { accessKeyId: SIGNER.accessKeyId, secretKey: SIGNER.secret };
    const token = mintToken({ ...key, expiresMs: Date.now() + TOKEN_LIFE_MS });
    const order = { ...key, token, port, bucket, kib: set.kib, count: set.count, batch, streams, seconds };
    (this.#child.stdin as Writable).write(`${JSON.stringify(order)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new BenchError('the Python client ended.');
    const reply = JSON.parse(line.value) as BatchReply;
    if ('failure' in reply) throw new BenchError(`Python: ${reply.failure}`);
    return reply.result;
  }
}
