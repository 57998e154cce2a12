/** `penstock serve` as a process: how it starts, survives, is renewed, and ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { LIMITS } from '../../src/base/limits.ts';
import { anyPorts, GatewayProcess, isAlive, startGateway } from './gateway-process.ts';
import { fetchWhole, startLoad } from './http-load.ts';

const LIMIT = { timeout: 90_000 };
const folder = mkdtempSync(join(tmpdir(), 'penstock-serve-'));
after(() => rmSync(folder, { recursive: true }));
let runs = 0;
const freshFolder = () => join(folder, `store-${++runs}`);

const running: GatewayProcess[] = [];
function keep(gateway: GatewayProcess): GatewayProcess {
  running.push(gateway);
  return gateway;
}
afterEach(async () => {
  for (const gateway of running.splice(0)) {
    gateway.signal('SIGKILL'); // does nothing to one that has ended; its children end with it
    await gateway.ended;
  }
});

/** Anonymous requests are refused, by a whole answer. */
const refusedWhole = ({ status, body }: { status: number; body: Buffer }) =>
  status === 403 && body.includes('AccessDenied</Code>')
    ? undefined
    : `status ${status}: ${body.toString().slice(0, 200)}`;

describe('a start', LIMIT, () => {
  test('makes the folder and a credential, shows the secret once, serves, and ends with 0 on SIGTERM', async () => {
    const dir = freshFolder();
    const first = keep(new GatewayProcess(anyPorts(dir), {}));
    await first.ready();
    assert.match(first.stdout, /export AWS_SECRET_ACCESS_KEY=\S{20,}/);
    assert.equal((await fetch(`${first.admin}/readyz`)).status, 200);
    assert.equal((await fetch(first.s3)).status, 403);
    const ending = await first.stop();
    assert.deepEqual([ending.code, ending.signal], [0, null]);

    const second = keep(new GatewayProcess(anyPorts(dir), {}));
    await second.ready();
    assert.doesNotMatch(second.stdout, /SECRET/);
    assert.match(second.stdout, /access key {3}\S+ {3}\(its secret is in /);
    assert.equal((await second.stop()).code, 0);
  });

  test('on a port that is taken says so, ends with 1, and leaves the folder free', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const dir = freshFolder();
    const refused = keep(new GatewayProcess([...anyPorts(dir), '--s3', `127.0.0.1:${port}`]));
    const ending = await refused.ended;
    taken.close();
    assert.equal(ending.code, 1);
    assert.equal(
      ending.stderr,
      `penstock: the s3 address 127.0.0.1:${port} is in use by another process. Stop it (\`ss -ltnp\` shows which it is), or choose another address with --s3.\n`,
    );
    assert.equal(ending.stdout, '');
    await keep(await startGateway(dir)).stop();
  });

  test('with a wrong setting or flag ends with 2 and the reason', async () => {
    const setting = await keep(new GatewayProcess(['--s3', '0.0.0.0:0'])).ended;
    assert.equal(setting.code, 2);
    assert.match(setting.stderr, /^penstock: config: s3 is 0\.0\.0\.0:0, which other machines can reach/);
    const flag = await keep(new GatewayProcess(['--wrong'])).ended;
    assert.equal(flag.code, 2);
    assert.match(flag.stderr, /unknown option '--wrong'/);
  });
});

describe('a running gateway', LIMIT, () => {
  test('starts a killed worker again and refuses nobody meanwhile, even when it was the only one', async () => {
    const gateway = keep(await startGateway(freshFolder(), '--workers', '1'));
    const [worker] = (await gateway.status()).workers;
    process.kill(worker?.pid as number, 'SIGKILL');
    const death = await gateway.untilLogged(/^worker-1 .* died/);
    assert.equal(death.msg, `worker-1 (pid ${worker?.pid}) died: signal SIGKILL; a new one starts in 100 ms`);
    assert.equal(refusedWhole(await fetchWhole(gateway.s3, false)), undefined); // it waited for the next worker
    await gateway.untilLogged(/^worker-1 serves again/);
    const [next] = (await gateway.status()).workers;
    assert.deepEqual([next?.state, next?.restarts], ['ready', 1]);
    assert.notEqual(next?.pid, worker?.pid);
    assert.match(await gateway.metrics(), /penstock_process_restarts_total\{process="worker-1"\} 1\n/);
  });

  test('starts a killed keeper again and says meanwhile that it is not ready', async () => {
    const gateway = keep(await startGateway(freshFolder(), '--workers', '1'));
    process.kill((await gateway.status()).keeper.pid as number, 'SIGKILL');
    await gateway.untilLogged(/^keeper .* died: signal SIGKILL/);
    const meanwhile = await fetch(`${gateway.admin}/readyz`);
    assert.deepEqual([meanwhile.status, await meanwhile.text()], [503, 'not ready: the keeper is not ready\n']);
    await gateway.untilLogged(/^keeper serves again/);
    assert.equal((await fetch(`${gateway.admin}/readyz`)).status, 200);
  });

  test('gives connections to the other workers while one is stuck, and loses none that it held', async () => {
    const gateway = keep(await startGateway(freshFolder(), '--workers', '2'));
    const stuck = (await gateway.status()).workers[0]?.pid as number;
    process.kill(stuck, 'SIGSTOP');
    let answered = 0;
    const faults = Array.from({ length: 20 }, async () => {
      const answer = await fetchWhole(gateway.s3, false);
      if (++answered === 18) process.kill(stuck, 'SIGCONT'); // two are on their way to the worker that is stuck
      return refusedWhole(answer);
    });
    assert.deepEqual([...new Set(await Promise.all(faults))], [undefined]);
  });

  test('answers connections that were on their way to a worker that died', async () => {
    const gateway = keep(await startGateway(freshFolder(), '--workers', '1'));
    const worker = (await gateway.status()).workers[0]?.pid as number;
    process.kill(worker, 'SIGSTOP');
    const faults = Promise.all(
      Array.from({ length: 4 }, async () => refusedWhole(await fetchWhole(gateway.s3, false))),
    );
    await Promise.all(Array.from({ length: 4 }, () => fetch(`${gateway.admin}/healthz`))); // the supervisor has seen them
    process.kill(worker, 'SIGKILL');
    assert.deepEqual(await faults, [undefined, undefined, undefined, undefined]);
  });

  test('adds the figures of its workers up, and those of replaced workers stay', async () => {
    const gateway = keep(await startGateway(freshFolder(), '--workers', '2'));
    const requests = async () =>
      /penstock_s3_errors_total\{code="AccessDenied"\} (\d+)/.exec(await gateway.metrics())?.[1];
    for (let i = 0; i < 6; i++) await fetchWhole(gateway.s3, false);
    assert.equal(await requests(), '6');
    const text = await gateway.metrics();
    for (const name of ['supervisor', 'keeper', 'worker-1', 'worker-2']) {
      assert.match(
        text,
        new RegExp(`penstock_event_loop_delay_seconds\\{process="${name}",quantile="0.99"\\} [\\d.e-]+\n`),
      );
    }
    gateway.signal('SIGHUP');
    await gateway.untilLogged(/^every process was replaced/);
    await fetchWhole(gateway.s3, false);
    assert.equal(await requests(), '7');
    assert.equal(
      (await gateway.status()).operations.reduce((sum, { requests: n }) => sum + n, 0),
      7,
    );
  });

  test('is renewed by SIGHUP under load without a refused connection or a broken answer', async () => {
    const gateway = keep(await startGateway(freshFolder(), '--workers', '2'));
    const pids = async () => {
      const { keeper, workers } = await gateway.status();
      return [keeper, ...workers].map(({ pid }) => pid);
    };
    const before = await pids();
    const load = startLoad(gateway.s3, 8, refusedWhole);
    gateway.signal('SIGHUP');
    await gateway.untilLogged(/^every process was replaced/);
    const { answers } = load;
    await gateway.until(() => load.answers >= answers, 'more answers');
    await load.stop();
    assert.deepEqual(load.faults, []);
    assert.ok(load.answers > 20 && load.reused > 5, `${load.answers} answers, ${load.reused} over kept connections`);
    const now = await pids();
    assert.equal(now.filter((pid) => before.includes(pid)).length, 0);
    assert.ok(before.every((pid) => !isAlive(pid as number)));
  });

  test('logs requests only when asked: who, what, outcome, and no payload', async () => {
    const silent = keep(await startGateway(freshFolder(), '--workers', '1'));
    await fetchWhole(`${silent.s3}/bucket/key`, false);
    assert.equal(silent.logs.filter(({ audit }) => audit === true).length, 0);
    const gateway = keep(await startGateway(freshFolder(), '--workers', '1', '--access-log'));
    await fetchWhole(`${gateway.s3}/bucket/some/key`, false);
    const line = await gateway.untilLogged(/^request$/);
    assert.deepEqual(
      [line.method, line.bucket, line.key, line.status, line.errorCode, line.remoteAddress],
      ['GET', 'bucket', 'some/key', 404, 'NoSuchBucket', '127.0.0.1'],
    );
    assert.match(String(line.requestId), /^[0-9A-F]{16}$/);
  });
});

describe('an end', LIMIT, () => {
  test('by SIGTERM lets a kept connection ask once more, and then closes it', async () => {
    const gateway = keep(await startGateway(freshFolder(), '--workers', '1'));
    const url = new URL(gateway.s3);
    const socket = connect(Number(url.port), url.hostname);
    const ask = `GET / HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;
    socket.setEncoding('utf8').write(ask);
    await once(socket, 'data');
    gateway.signal('SIGTERM');
    await gateway.untilLogged(/^draining$/);
    let text = '';
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.write(ask);
    await once(socket, 'close');
    assert.match(text, /^HTTP\/1\.1 403 /);
    assert.match(text, /^Connection: close\r$/im);
    assert.equal((await gateway.ended).code, 0);
  });

  test('of the supervisor, however sudden, ends its children too, and the next start waits for those that are stuck', async () => {
    const dir = freshFolder();
    const gateway = keep(await startGateway(dir, '--workers', '1'));
    const stuck = (await gateway.status()).workers[0]?.pid as number;
    process.kill(stuck, 'SIGSTOP');
    gateway.signal('SIGKILL');
    const next = keep(new GatewayProcess(anyPorts(dir)));
    await next.untilLogged(/^waiting for the processes of an earlier gateway/);
    assert.equal(
      next.logs.some(({ msg }) => msg === 'the gateway is ready'),
      false,
    );
    process.kill(stuck, 'SIGCONT');
    const { signal } = await gateway.ended; // when the last of its children has closed the pipes that they inherited
    assert.equal(signal, 'SIGKILL');
    await next.ready();
  });

  test('by a second SIGINT is at once, whatever still runs', async () => {
    const gateway = keep(await startGateway(freshFolder(), '--workers', '1'));
    const url = new URL(gateway.s3);
    const socket = connect(Number(url.port), url.hostname); // a request that never comes whole
    socket.on('error', () => {});
    socket.write('PUT /bucket/key HTTP/1.1\r\n');
    await once(socket, 'connect');
    gateway.signal('SIGINT');
    gateway.signal('SIGINT'); // as npm passes it on: no second one
    await gateway.untilLogged(/^draining$/);
    const impatient = setInterval(() => gateway.signal('SIGINT'), LIMITS.secondSignalMs + 100);
    await gateway.untilLogged(/^stopping at once/);
    clearInterval(impatient);
    assert.equal((await gateway.ended).code, 130);
    socket.destroy();
  });
});
