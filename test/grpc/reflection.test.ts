import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import protobuf from 'protobufjs';
import { FILE_DESCRIPTORS } from '../../src/format/file-descriptors.ts';
import { HealthListResponse } from '../../src/format/health-messages.ts';
import type { Input } from '../../src/format/message-type.ts';
import { ServerReflectionRequest, ServerReflectionResponse } from '../../src/format/reflection-messages.ts';
import { method, type Scene, UNARY, unary, whole, withScene } from './transport-scene.ts';

const V1 = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
const V1ALPHA = '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo';
const METHODS = ['Objects/Head', 'Objects/Get', 'Batches/GetBatch'].map((name) =>
  method(`/penstock.v1.${name}`, 'unary', async () => {}),
);

async function ask(
  scene: Scene,
  path: string,
  ...requests: readonly Input<ServerReflectionRequest>[]
): Promise<ServerReflectionResponse[]> {
  const stream = scene.client().makeBidiStreamRequest(path, whole, whole);
  const answers: ServerReflectionResponse[] = [];
  for (const request of requests) {
    stream.write(ServerReflectionRequest.encode(request));
    const [answer] = (await once(stream, 'data')) as [Buffer];
    answers.push(ServerReflectionResponse.decode(answer));
  }
  stream.end();
  await once(stream.resume(), 'status');
  return answers;
}

/** Names of the files of an answer, from their first field. */
function fileNames(answer: ServerReflectionResponse | undefined): string[] {
  assert(answer?.fileDescriptorResponse !== undefined, JSON.stringify(answer?.errorResponse));
  return answer.fileDescriptorResponse.fileDescriptorProto.map((bytes) => {
    const reader = protobuf.Reader.create(bytes);
    assert.equal(reader.uint32(), 10);
    return reader.string();
  });
}

describe('reflection', () => {
  for (const path of [V1, V1ALPHA]) {
    test(
      `over ${path} names all services`,
      withScene({ methods: METHODS }, async (scene) => {
        const [answer] = await ask(scene, path, { host: 'me', listServices: '' });
        assert.equal(answer?.validHost, 'me');
        assert.deepEqual(
          answer.listServicesResponse?.service.map(({ name }) => name),
          [
            'grpc.health.v1.Health',
            'grpc.reflection.v1.ServerReflection',
            'grpc.reflection.v1alpha.ServerReflection',
            'penstock.v1.Batches',
            'penstock.v1.Objects',
          ],
        );
        assert.deepEqual(answer.originalRequest?.listServices, '');
      }),
    );
  }

  test(
    'gives the file of every service that it names, and of everything in it',
    withScene({ methods: METHODS }, async (scene) => {
      const [listed] = await ask(scene, V1, { listServices: '*' });
      for (const { name } of listed?.listServicesResponse?.service ?? []) {
        const [answer] = await ask(scene, V1, { fileContainingSymbol: name });
        assert(fileNames(answer).length > 0, name);
      }
      for (const symbol of ['penstock.v1.Batches.GetBatch', 'penstock.v1.Entry', 'penstock.v1.Order']) {
        const [answer] = await ask(scene, V1, { fileContainingSymbol: symbol });
        assert.equal(fileNames(answer)[0], 'penstock/v1/batches.proto');
      }
    }),
  );

  test(
    'gives a file with all that it needs, and on one stream nothing twice but what is asked for',
    withScene({ methods: METHODS }, async (scene) => {
      const [first, again, status] = await ask(
        scene,
        V1,
        { fileByFilename: 'penstock/v1/batches.proto' },
        { fileByFilename: 'penstock/v1/batches.proto' },
        { fileByFilename: 'google/rpc/status.proto' },
      );
      const names = fileNames(first);
      assert.equal(new Set(names).size, names.length);
      const known = new Set(names);
      for (const { name, imports } of FILE_DESCRIPTORS) {
        if (known.has(name)) for (const needed of imports) assert(known.has(needed), `${name} needs ${needed}`);
      }
      assert(known.has('google/protobuf/any.proto'), 'which no file of ours imports itself');
      assert.deepEqual(fileNames(again), ['penstock/v1/batches.proto']);
      assert.deepEqual(fileNames(status), ['google/rpc/status.proto']);
    }),
  );

  test(
    'says what it does not have, and goes on',
    withScene({ methods: METHODS }, async (scene) => {
      const answers = await ask(
        scene,
        V1,
        { fileByFilename: 'none.proto' },
        { fileContainingSymbol: 'penstock.v1.None' },
        { fileContainingExtension: { containingType: 'penstock.v1.Entry', extensionNumber: 7 } },
        { allExtensionNumbersOfType: 'penstock.v1.None' },
        { allExtensionNumbersOfType: 'penstock.v1.Entry' },
      );
      assert.deepEqual(
        answers.map(({ errorResponse }) => errorResponse?.errorCode),
        [5, 5, 5, 5, undefined],
      );
      assert.match(answers[0]?.errorResponse?.errorMessage ?? '', /none\.proto/);
      assert.deepEqual(answers[4]?.allExtensionNumbersResponse, {
        baseTypeName: 'penstock.v1.Entry',
        extensionNumber: [],
      });
    }),
  );
});

test(
  'health lists every service as serving',
  withScene({ methods: [...METHODS, method(UNARY, 'unary', async () => {})] }, async (scene) => {
    const client = scene.client();
    const list = async () =>
      HealthListResponse.decode(await unary(client, '/grpc.health.v1.Health/List', Buffer.alloc(0)));
    const { statuses } = await list();
    assert.deepEqual(Object.keys(statuses).sort(), [
      '',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'penstock.v1.Batches',
      'penstock.v1.Objects',
      'test.Test',
    ]);
    assert(Object.values(statuses).every(({ status }) => status === 1));
  }),
);
