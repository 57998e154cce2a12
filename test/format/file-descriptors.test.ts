import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor.js';
import { FILE_DESCRIPTORS, type FileDescriptor } from '../../src/format/file-descriptors.ts';
import { checkout } from './proto-scene.ts';

/** What protoc gives for a file, as far as these tests look at it. */
interface File {
  readonly name: string;
  readonly package: string;
  readonly dependency: readonly string[];
  readonly messageType: readonly Message[];
  readonly enumType: readonly Enum[];
  readonly service: readonly { readonly name: string; readonly method: readonly { readonly name: string }[] }[];
}
interface Message {
  readonly name: string;
  readonly field: readonly { readonly name: string }[];
  readonly oneofDecl: readonly { readonly name: string }[];
  readonly nestedType: readonly Message[];
  readonly enumType: readonly Enum[];
}
interface Enum {
  readonly name: string;
  readonly value: readonly { readonly name: string }[];
}

const bytesOf = (file: FileDescriptor) => Buffer.from(file.base64, 'base64');
const parsed = (file: FileDescriptor) => descriptor.FileDescriptorProto.decode(bytesOf(file)) as unknown as File;
const isStandard = (file: FileDescriptor) => file.name.startsWith('google/protobuf/');

/** A google.protobuf.FileDescriptorSet: https://protobuf.dev/programming-guides/encoding/ */
function setOf(files: readonly FileDescriptor[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const file of files) writer.uint32(10).bytes(bytesOf(file));
  return writer.finish();
}

function symbolsIn(file: File): string[] {
  const ofEnum = (scope: string, { name, value }: Enum) =>
    [name, ...value.map((one) => one.name)].map((one) => `${scope}.${one}`);
  const ofMessage = (scope: string, message: Message): string[] => {
    const fullName = `${scope}.${message.name}`;
    const members = [...message.field, ...message.oneofDecl].map((member) => `${fullName}.${member.name}`);
    const nested = message.nestedType.flatMap((type) => ofMessage(fullName, type));
    return [fullName, ...members, ...nested, ...message.enumType.flatMap((entry) => ofEnum(fullName, entry))];
  };
  return [
    ...file.messageType.flatMap((message) => ofMessage(file.package, message)),
    ...file.enumType.flatMap((entry) => ofEnum(file.package, entry)),
    ...file.service.flatMap(({ name, method }) => [
      `${file.package}.${name}`,
      ...method.map((one) => `${file.package}.${name}.${one.name}`),
    ]),
  ];
}

test('each file says its name, its imports and its symbols as its descriptor does', () => {
  for (const file of FILE_DESCRIPTORS) {
    const said = parsed(file);
    assert.deepEqual([said.name, said.dependency], [file.name, file.imports]);
    assert.deepEqual([...file.symbols].sort(), symbolsIn(said).sort());
  }
});

test('a file stands behind those that it imports, and no symbol is declared twice', () => {
  const names = FILE_DESCRIPTORS.map((file) => file.name);
  for (const [index, file] of FILE_DESCRIPTORS.entries()) {
    for (const name of file.imports) assert.ok(names.slice(0, index).includes(name), `${file.name}: ${name}`);
  }
  const symbols = FILE_DESCRIPTORS.flatMap((file) => file.symbols);
  assert.equal(new Set(symbols).size, symbols.length);
});

/** The schema as JSON: names of types in full, and no options of files, which protobufjs has not for the standard ones. */
function schemaOf(root: protobuf.Root): unknown {
  nameInFull(root.resolveAll());
  const text = JSON.stringify(root.toJSON(), (key, value) =>
    key === 'options' && value.java_package !== undefined ? undefined : value,
  );
  return JSON.parse(text);
}

function nameInFull(scope: protobuf.NamespaceBase): void {
  for (const field of scope instanceof protobuf.Type ? scope.fieldsArray : []) {
    field.type = field.resolvedType?.fullName ?? field.type;
  }
  for (const method of scope instanceof protobuf.Service ? scope.methodsArray : []) {
    method.requestType = method.resolvedRequestType?.fullName ?? '';
    method.responseType = method.resolvedResponseType?.fullName ?? '';
  }
  for (const member of scope.nestedArray) if (member instanceof protobuf.Namespace) nameInFull(member);
}

test('the descriptors mean what protobufjs reads in the .proto files', () => {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => path.join(checkout, 'proto', target);
  const names = FILE_DESCRIPTORS.map((file) => file.name);
  root.loadSync(names, { keepCase: true });
  // Added by the descriptor extension, whose types do not say so.
  const { fromDescriptor } = protobuf.Root as unknown as { fromDescriptor(set: Uint8Array, as: object): protobuf.Root };
  const described = fromDescriptor(setOf(FILE_DESCRIPTORS), { edition: 'proto3', keepCase: true });
  assert.deepEqual(schemaOf(described), schemaOf(root));
});

test('v1alpha of reflection is v1 under another name', () => {
  const [v1, v1alpha] = ['v1', 'v1alpha'].map((version) => {
    const file = FILE_DESCRIPTORS.find(({ name }) => name === `grpc/reflection/${version}/reflection.proto`);
    assert.ok(file !== undefined);
    return JSON.stringify(parsed(file)).replaceAll(/reflection([./])v1(alpha)?\b/g, 'reflection$1VERSION');
  });
  assert.equal(v1alpha, v1);
});

/** Debian's protobuf-compiler; without it the test above has to do. */
const PROTOC = '/usr/bin/protoc';
const skip = existsSync(PROTOC) || process.env.PENSTOCK_CI === '1' ? false : `${PROTOC} is not installed`;

test('the descriptors are the bytes that protoc writes', { skip }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'penstock-protoc-'));
  try {
    const [known, out] = [path.join(folder, 'known'), path.join(folder, 'out')];
    // Where protoc is, its google/protobuf files need not be.
    writeFileSync(known, setOf(FILE_DESCRIPTORS.filter(isStandard)));
    const ours = FILE_DESCRIPTORS.filter((file) => !isStandard(file));
    const args = [
      `--descriptor_set_in=${known}`,
      '-Iproto',
      `--descriptor_set_out=${out}`,
      ...ours.map((file) => file.name),
    ];
    const run = spawnSync(PROTOC, args, { cwd: checkout, encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual(readFileSync(out), Buffer.from(setOf(ours)));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
