/** Conditional writes over connections of different workers: of racing ones exactly one wins, and swaps add up to a counter. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { GatewayProcess } from '../processes/gateway-process.ts';
import { BUCKET, connectionsOf, FaultScene, IS_LONG, pidsOf } from './fault-scene.ts';
import type { S3Caller } from './s3-caller.ts';

const RACES = IS_LONG ? 10_000 : 1000;
const SWAPS = IS_LONG ? 2000 : 200;
const WORKERS = 2;

const scene = new FaultScene();
after(() => scene.close());

describe('writers on different workers', { timeout: IS_LONG ? 600_000 : 120_000 }, () => {
  let gateway: GatewayProcess;
  let callers: S3Caller[];

  before(async () => {
    gateway = await scene.start(undefined, WORKERS);
    await scene.withBucket(gateway);
    callers = await callersOnAllWorkers(gateway, 2);
  });

  test(`that race on If-None-Match: * ${RACES} times have one winner each, and the object is the winner's`, async () => {
    const headers = { 'if-none-match': '*' };
    for (let race = 0; race < RACES; race++) {
      const key = `race/${race}`;
      const bodies = callers.map((_, i) => `${race} won by ${i} ${'x'.repeat(i * 100)}`);
      const replies = await Promise.all(
        callers.map((caller, i) => caller.send('PUT', BUCKET, key, { headers, body: bodies[i] as string })),
      );
      const statuses = replies.map(({ status }) => status);
      assert.deepEqual(statuses.filter((status) => status === 200).length, 1, `${key}: ${statuses.join()}`);
      assert.ok(
        statuses.every((status) => [200, 409, 412].includes(status)),
        `${key}: ${statuses.join()}`,
      );
      const loser = callers[(statuses.indexOf(200) + 1) % callers.length] as S3Caller;
      const found = await loser.expect(200, 'GET', BUCKET, key);
      assert.equal(found.body.toString(), bodies[statuses.indexOf(200)]);
    }
  });

  test(`that add to one counter with If-Match lose none of ${SWAPS} additions`, async () => {
    const key = 'counter';
    await (callers[0] as S3Caller).expect(200, 'PUT', BUCKET, key, { body: '0' });
    const each = SWAPS / callers.length;
    let lost = 0;
    await Promise.all(
      callers.map(async (caller) => {
        for (let done = 0; done < each; ) {
          const seen = await caller.expect(200, 'GET', BUCKET, key);
          const headers = { 'if-match': String(seen.headers.etag) };
          const reply = await caller.send('PUT', BUCKET, key, {
            headers,
            body: String(Number(seen.body.toString()) + 1),
          });
          if (reply.status === 200) done++;
          else lost++;
          assert.ok([200, 409, 412].includes(reply.status), `${reply.status}: ${reply.body.toString()}`);
        }
      }),
    );
    const end = await (callers[0] as S3Caller).expect(200, 'GET', BUCKET, key);
    assert.equal(Number(end.body.toString()), SWAPS);
    assert.ok(lost > 0, 'they did race');
  });

  test('that delete and write with If-Match at once leave what the winner left', async () => {
    const [first, second] = callers as [S3Caller, S3Caller];
    for (let race = 0; race < RACES / 10; race++) {
      const key = `swap-or-delete/${race}`;
      const { headers } = await first.expect(200, 'PUT', BUCKET, key, { body: 'before' });
      const condition = { 'if-match': String(headers.etag) };
      const [put, removed] = await Promise.all([
        first.send('PUT', BUCKET, key, { headers: condition, body: 'after' }),
        second.send('DELETE', BUCKET, key, { headers: condition }),
      ]);
      const found = await second.send('GET', BUCKET, key);
      if (put.status === 200) assert.deepEqual([removed.status, found.body.toString()], [412, 'after'], key);
      else assert.deepEqual([removed.status, found.status], [204, 404], `${key}: the write got ${put.status}`);
    }
  });
});

/** Opens connections until every worker has as many; they are handed out in turn. */
async function callersOnAllWorkers(gateway: GatewayProcess, each: number): Promise<S3Caller[]> {
  const { workers } = await pidsOf(gateway);
  const callers: S3Caller[] = [];
  for (let i = 0; i < each * workers.length; i++) {
    const caller = scene.caller(gateway);
    await caller.expect(200, 'HEAD', BUCKET, '');
    callers.push(caller);
  }
  const port = Number(new URL(gateway.s3).port);
  for (const pid of workers) assert.ok(connectionsOf(pid, port) >= each, `worker ${pid} has connections`);
  return callers;
}
