/** What one worker acknowledged, every other worker shows at once: GET, HEAD, LIST, deletes and parts. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BUCKET, connectionsOf, FaultScene, IS_LONG, pidsOf } from './fault-scene.ts';
import type { S3Caller } from './s3-caller.ts';

const ROUNDS = IS_LONG ? 20_000 : 2000;
const WORKERS = 3;

const scene = new FaultScene();
after(() => scene.close());

test(`a write is seen by every worker from its answer on, in ${ROUNDS} rounds`, {
  timeout: IS_LONG ? 900_000 : 120_000,
}, async () => {
  const gateway = await scene.start(undefined, WORKERS);
  await scene.withBucket(gateway);
  const callers: S3Caller[] = [];
  for (let i = 0; i < WORKERS; i++) {
    callers.push(scene.caller(gateway));
    await callers[i]?.expect(200, 'HEAD', BUCKET, '');
  }
  const port = Number(new URL(gateway.s3).port);
  for (const pid of (await pidsOf(gateway)).workers) assert.ok(connectionsOf(pid, port) > 0, `worker ${pid} is asked`);

  const lane = async (name: string, rounds: number) => {
    for (let round = 0; round < rounds; round++) {
      const key = `${name}/${round % 7}`;
      const at = (i: number) => callers[(round + i) % WORKERS] as S3Caller;
      const body = `${name} in round ${round} ${'.'.repeat(round % 500)}`;
      const { headers } = await at(0).expect(200, 'PUT', BUCKET, key, { body });
      const [got, head, listed] = await Promise.all([
        at(1).expect(200, 'GET', BUCKET, key),
        at(2).expect(200, 'HEAD', BUCKET, key),
        at(1).list(BUCKET, `${name}/`),
      ]);
      assert.equal(got.body.toString(), body);
      assert.deepEqual([head.headers.etag, head.headers['content-length']], [headers.etag, String(body.length)]);
      assert.equal(listed.get(key), body.length);
      if (round % 5 !== 0) continue;
      await at(1).expect(204, 'DELETE', BUCKET, key);
      const [gone, unlisted] = await Promise.all([at(2).send('GET', BUCKET, key), at(0).list(BUCKET, `${name}/`)]);
      assert.deepEqual([gone.status, unlisted.has(key)], [404, false], `${key} was deleted`);
    }
  };
  // Two lanes, so that commits of others lie between a write and its reads.
  await Promise.all(['left', 'right'].map((name) => lane(name, ROUNDS / 2)));
});

test('a bucket, a part and an upload made by one worker are known to the next request of another', {
  timeout: 60_000,
}, async () => {
  const gateway = await scene.start(`${scene.folder}/uploads`, WORKERS);
  const callers = Array.from({ length: WORKERS }, () => scene.caller(gateway));
  const at = (i: number) => callers[i % WORKERS] as S3Caller;
  for (let round = 0; round < 50; round++) {
    const bucket = `bucket-${round}`;
    await at(round).expect(200, 'PUT', bucket, '');
    const created = await at(round + 1).expect(200, 'POST', bucket, 'a', { query: 'uploads=' });
    const id = /<UploadId>([^<]*)</.exec(created.body.toString())?.[1];
    const part = await at(round + 2).expect(200, 'PUT', bucket, 'a', {
      query: `partNumber=1&uploadId=${id}`,
      body: `part ${round}`,
    });
    const parts = `<Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part>`;
    const body = `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`;
    await at(round + 3).expect(200, 'POST', bucket, 'a', { query: `uploadId=${id}`, body });
    assert.equal((await at(round + 4).expect(200, 'GET', bucket, 'a')).body.toString(), `part ${round}`);
    await at(round + 2).expect(204, 'DELETE', bucket, 'a');
    await at(round).expect(204, 'DELETE', bucket, '');
    assert.equal((await at(round + 1).send('HEAD', bucket, '')).status, 404);
  }
});
