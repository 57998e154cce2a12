/** Load by wrk: requests that were written before, byte for byte, in random order over kept connections. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Belongings, onCore } from '../measure/belongings.ts';
import { BenchError } from '../measure/options.ts';

export interface WrkResult {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  /** Answers of status 400 and above, and connections that failed. */
  readonly failures: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

const SCRIPT = `local requests = {}
local file = io.open(os.getenv("BENCH_REQUESTS"), "rb")
for request in file:read("*a"):gmatch("%Z+") do requests[#requests + 1] = request end
file:close()
math.randomseed(os.time())
request = function() return requests[math.random(#requests)] end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"seconds":%f,"bytes":%d,"failures":%d,"p50Us":%d,"p99Us":%d}\\n',
    summary.requests, summary.duration / 1e6, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
`;

/** Pure. @throws BenchError when wrk printed no result */
export function parseWrk(output: string): WrkResult {
  const line = /^RESULT (\{.*\})$/m.exec(output)?.[1];
  if (line === undefined) throw new BenchError(`wrk gave no result:\n${output}`);
  return JSON.parse(line) as WrkResult;
}

export class Wrk {
  readonly #owned: Belongings;
  readonly #folder: string;
  readonly #core: number;
  readonly #cores: number;
  readonly #script: string;

  constructor(owned: Belongings, options: { readonly folder: string; readonly core: number; readonly cores: number }) {
    this.#owned = owned;
    this.#folder = options.folder;
    this.#core = options.core;
    this.#cores = options.cores;
    this.#script = join(options.folder, 'load.lua');
    writeFileSync(this.#script, SCRIPT);
  }

  /** @param seconds wrk takes whole ones: rounded up */
  async run(port: number, heads: readonly string[], connections: number, seconds: number): Promise<WrkResult> {
    const requests = join(this.#folder, 'requests');
    writeFileSync(requests, heads.join('\0'), 'latin1');
    const url = `http://127.0.0.1:${port}/`;
    const args = ['-t1', `-c${connections}`, `-d${Math.ceil(seconds)}s`, '-s', this.#script, url];
    const [command, argv] = onCore(this.#core, this.#cores, 'wrk', args);
    const env = { ...process.env, BENCH_REQUESTS: requests };
    return parseWrk(await this.#owned.run(command, argv, 'wrk', { env }));
  }
}
