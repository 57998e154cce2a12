/**
 * boto3 in a Python of its own, for as many calls as a test has: an interpreter for each would take half a second.
 * PENSTOCK_TEST_PYTHON names another Python, to try another boto3 by hand.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ACCESS_KEY, absent, REGION, SECRET_KEY } from './scene.ts';

const DRIVER = fileURLToPath(new URL('./boto3-driver.py', import.meta.url));
const OTHER_PYTHON = process.env.PENSTOCK_TEST_PYTHON;

export const boto3Absent = OTHER_PYTHON === undefined && absent('/usr/lib/python3/dist-packages/boto3');

type Arguments = Readonly<Record<string, unknown>>;
type Reply = { ok?: unknown; refused?: [number, string]; failed?: string };

/** What `call` gives for the body of an object. */
export interface ReadBody {
  readonly bytes: number;
  readonly sha256: string;
}

export class Boto3Session {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #stderr = '';

  constructor(endpoint: string, env: Readonly<Record<string, string>> = {}) {
    const args = [DRIVER, endpoint, ACCESS_KEY, SECRET_KEY, REGION];
    const clean = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', HOME: '/nonexistent', AWS_EC2_METADATA_DISABLED: 'true' };
    this.#child = spawn(OTHER_PYTHON ?? '/usr/bin/python3', args, { env: { ...clean, ...env } });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    assert.ok(this.#child.stdout);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** @returns the version of boto3 */
  ready(): Promise<string> {
    return this.#line() as Promise<string>;
  }

  async call<Answer = Record<string, unknown>>(name: string, args: Arguments): Promise<Answer> {
    return (await this.#do('call', name, args)) as Answer;
  }

  async pages<Page>(name: string, args: Arguments): Promise<Page[]> {
    return (await this.#do('pages', name, args)) as Page[];
  }

  async wait(name: string, args: Arguments): Promise<void> {
    await this.#do('wait', name, args);
  }

  async sign(name: string, Params: Arguments): Promise<string> {
    return (await this.#do('sign', name, { Params, ExpiresIn: 60 })) as string;
  }

  async transfer(name: string, args: Arguments): Promise<void> {
    await this.#do('transfer', name, args);
  }

  /** @returns status and code */
  async refused(name: string, args: Arguments): Promise<[number, string]> {
    const reply = await this.#send('call', name, args);
    assert.ok(reply.refused, `${name} was not refused: ${JSON.stringify(reply)}`);
    return reply.refused;
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await once(this.#child, 'close');
  }

  async #do(what: string, name: string, args: Arguments): Promise<unknown> {
    const reply = await this.#send(what, name, args);
    assert.ok('ok' in reply, `${name} ${JSON.stringify(args).slice(0, 500)}: ${JSON.stringify(reply)}`);
    return reply.ok;
  }

  async #send(what: string, name: string, args: Arguments): Promise<Reply> {
    this.#child.stdin?.write(`${JSON.stringify({ do: what, name, args })}\n`);
    return (await this.#line()) as Reply;
  }

  async #line(): Promise<unknown> {
    const { done, value } = await this.#lines.next();
    assert.ok(done !== true, `Python ended:\n${this.#stderr}`);
    return JSON.parse(value);
  }
}
