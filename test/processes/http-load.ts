/** Requests that never stop, over connections that are kept and over fresh ones, and what went wrong with them. */
import { Agent, get } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly reused: boolean;
}

/** One GET. Rejects when the connection is refused or breaks before the whole answer is there. */
export function fetchWhole(url: string, agent: Agent | false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (!response.complete) return reject(new Error('the answer was cut'));
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks), reused: request.reusedSocket });
      });
    });
    request.on('error', reject);
  });
}

export interface Load {
  readonly answers: number;
  /** How many answers came over a connection that had answered before. */
  readonly reused: number;
  readonly faults: readonly string[];
  stop(): Promise<void>;
}

/** Half of the clients keep their connection, the others open one for each request; each judges every answer. */
export function startLoad(url: string, clients: number, judge: (answer: Answer) => string | undefined): Load {
  const load = { answers: 0, reused: 0, faults: [] as string[] };
  let running = true;
  const client = async (index: number) => {
    const agent = index % 2 === 0 ? new Agent({ keepAlive: true, maxSockets: 1 }) : false;
    while (running) {
      try {
        const answer = await fetchWhole(url, agent);
        load.answers++;
        if (answer.reused) load.reused++;
        const fault = judge(answer);
        if (fault !== undefined) load.faults.push(fault);
      } catch (error) {
        load.faults.push(String(error));
      }
    }
    if (agent !== false) agent.destroy();
  };
  const done = Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  return Object.assign(load, {
    stop: async () => {
      running = false;
      await done;
    },
  });
}
