/** The pipe to the keeper: nobody waits without bound, nothing that lies in a volume is forgotten, and no doubt is called a refusal. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { GatewayError } from '../../src/base/errors.ts';
import { CommitPipe } from '../../src/store/commit-pipe.ts';
import type { Decision, HeadGroup, IndexCommitter, Submission, SubmissionReply } from '../../src/store/committer.ts';
import { KeeperClient } from '../../src/store/keeper-client.ts';
import { type KeeperAnswer, type KeeperRequest, receiveFrames, sendFrame } from '../../src/store/keeper-protocol.ts';
import { silentLog, temporaryFolder } from './local-scene.ts';

const DECISION: Decision = { kind: 'removeBucket', name: 'images' };
const GROUP: HeadGroup = { volume: 1, end: 200, offsets: [100], heads: [Buffer.from('head')] };
const isBusy = (error: unknown) => error instanceof GatewayError && error.code === 'StoreBusy';

/** A committer that answers when it is told to. */
function slowCommitter() {
  const submissions: Submission[] = [];
  let answer: (() => void) | undefined;
  const committer: Pick<IndexCommitter, 'submit'> = {
    submit: (submission) => {
      submissions.push(submission);
      const reply: SubmissionReply = {
        heads: (submission.group?.heads ?? []).map(() => 0 as const),
        decisions: submission.decisions.map(() => ({ ok: true as const, modifiedMs: 1 })),
        clock: 1,
      };
      return new Promise((resolve) => {
        answer = () => resolve(reply);
      });
    },
  };
  return { submissions, committer: committer as IndexCommitter, answer: () => answer?.() };
}

test('everybody who waits for a keeper that does not answer hears of it together, and new writes are refused until it does', async () => {
  const slow = slowCommitter();
  const pipe = new CommitPipe(slow.committer, 30);
  const sent = pipe.group(GROUP);
  const waiting = pipe.group({ ...GROUP, end: 300 });
  const all = [pipe.bounded(sent), pipe.bounded(waiting), pipe.decide(DECISION)];
  for (const each of all) await assert.rejects(each, isBusy);
  assert.throws(() => pipe.refuseWhileStuck(), isBusy);
  await assert.rejects(pipe.decide(DECISION), isBusy);
  assert.equal(slow.submissions.length, 1, 'no second submission beside one without an answer');
  slow.answer();
  assert.deepEqual(await sent, [0]);
  while (slow.submissions.length < 2) await new Promise(setImmediate);
  pipe.refuseWhileStuck();
  slow.answer();
  assert.deepEqual(await waiting, [0], 'a group is told in the end, since its records lie in a volume');
  assert.deepEqual(
    slow.submissions.map(({ decisions }) => decisions.length),
    [0, 0],
    'a decision whose writer has gone away was not sent',
  );
});

/** A keeper's socket whose connections are served one after the other by the given functions. */
async function scriptedKeeper(path: string, ...lives: ((request: KeeperRequest, socket: Socket) => void)[]) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const live = lives.shift();
    receiveFrames<KeeperRequest>(socket, (request) => {
      if (request.method === 'hello') sendFrame(socket, { id: request.id });
      else live?.(request, socket);
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
}

test('a decision that two keepers saw and the second refused is called unknown, since the first may have carried it out', async () => {
  const folder = temporaryFolder();
  const socketPath = join(folder.path, 'keeper');
  const refuse = (request: KeeperRequest, socket: Socket) => {
    const reply = {
      heads: [],
      decisions: [
        { ok: false, code: 'PreconditionFailed' },
        { ok: true, modifiedMs: 7 },
      ],
      clock: 1,
    };
    sendFrame(socket, { id: request.id, reply } as KeeperAnswer);
  };
  const die = (_: KeeperRequest, socket: Socket) => socket.destroy();
  for (const [lives, code] of [
    [[refuse], 'PreconditionFailed'],
    [[die, refuse], 'StoreBusy'],
  ] as const) {
    const stop = await scriptedKeeper(socketPath, ...lives);
    const client = await KeeperClient.connect({ socketPath, session: 's', log: silentLog });
    const { decisions } = await client.submit({ sequence: 1, group: undefined, decisions: [DECISION, DECISION] });
    assert.deepEqual(
      decisions.map((outcome) => (outcome.ok ? outcome.modifiedMs : outcome.code)),
      [code, 7],
    );
    client.stop();
    stop();
  }
  folder.remove();
});
