import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { MalformedMessage } from '../../src/format/message-type.ts';
import {
  checkout,
  complete,
  ENUMS,
  MESSAGES,
  readReflected,
  reflected,
  SERVICES,
  type SomeMessage,
  type Values,
  valuesOf,
} from './proto-scene.ts';

const root = reflected();
const typeOf = (message: SomeMessage) => root.lookupType(message.fullName);

test('the generated files are what the .proto files say', () => {
  const run = spawnSync(process.execPath, ['scripts/proto.mjs', '--check'], { cwd: checkout, encoding: 'utf8' });
  assert.deepEqual([run.status, run.stderr], [0, '']);
});

test('every message, enum and method of the .proto files is generated, and nothing else', () => {
  const declared = { messages: [] as string[], enums: [] as unknown[], methods: [] as unknown[] };
  const visit = (scope: protobuf.NamespaceBase) => {
    for (const member of scope.nestedArray) {
      if (member instanceof protobuf.Type) declared.messages.push(member.fullName.slice(1));
      if (member instanceof protobuf.Enum) declared.enums.push([member.name, { ...member.values }]);
      if (member instanceof protobuf.Service) declared.methods.push(...member.methodsArray.map(asMethod));
      if (member instanceof protobuf.Namespace) visit(member);
    }
  };
  visit(root);
  assert.deepEqual(MESSAGES.map((message) => message.fullName).sort(), declared.messages.sort());
  assert.deepEqual(ENUMS.map(([name, values]) => [name, { ...values }]).sort(), declared.enums.sort());
  const methods = SERVICES.flatMap((service) => Object.values(service)).map(({ path, kind, request, response }) => [
    path,
    kind,
    request.fullName,
    response.fullName,
  ]);
  assert.deepEqual(methods.sort(), declared.methods.sort());
});

function asMethod(method: protobuf.Method): unknown {
  method.resolve();
  const kinds = ['unary', 'server-stream', 'client-stream', 'bidi-stream'];
  const kind = kinds[(method.requestStream ? 2 : 0) + (method.responseStream ? 1 : 0)];
  const names = [method.resolvedRequestType, method.resolvedResponseType].map((type) => type?.fullName.slice(1));
  return [`/${method.parent?.fullName.slice(1)}/${method.name}`, kind, ...names];
}

for (const message of MESSAGES) {
  test(`${message.fullName} has the bytes and the values that protobufjs gives it`, () => {
    const type = typeOf(message);
    fc.assert(
      fc.property(valuesOf(type), (values) => {
        const bytes = message.encode(values);
        assert.deepEqual(bytes, Buffer.from(type.encode(type.fromObject(values)).finish()));
        assert.deepEqual(message.decode(bytes), complete(type, values));
        assert.deepEqual(readReflected(type, bytes), complete(type, values));
        const writer = protobuf.Writer.create();
        message.encodeInto(writer, values);
        assert.deepEqual(writer.finish(), bytes);
      }),
      { numRuns: 60 },
    );
  });

  test(`${message.fullName} with every field at its default takes no bytes`, () => {
    const defaults = message.decode(Buffer.alloc(0));
    assert.deepEqual(defaults, complete(typeOf(message), {}));
    assert.equal(message.encode(defaults).length, 0);
  });

  test(`what is read as ${message.fullName} from damaged bytes is what protobufjs reads, or it is malformed`, () => {
    const type = typeOf(message);
    const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.boolean()), { maxLength: 3 });
    fc.assert(
      fc.property(valuesOf(type), edits, fc.nat(), (values, changes, cut) => {
        let bytes = message.encode(values);
        for (const [at, byte, insert] of changes) {
          const index = bytes.length === 0 ? 0 : at % bytes.length;
          bytes = Buffer.concat([
            bytes.subarray(0, index),
            Buffer.of(byte),
            bytes.subarray(insert ? index : index + 1),
          ]);
        }
        // Half the time cut off somewhere.
        if (cut % 2 === 1) bytes = bytes.subarray(0, cut % (bytes.length + 1));
        const read = decoded(message, bytes);
        if (read !== undefined) assert.deepEqual(read, readReflected(type, bytes));
      }),
      { numRuns: 60 },
    );
  });
}

/** `undefined` when the bytes are malformed; other errors are let through. */
function decoded(message: SomeMessage, bytes: Buffer): Values | undefined {
  try {
    return message.decode(bytes);
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    assert.ok(error.message.startsWith(`${message.fullName} is malformed: `));
    return undefined;
  }
}
