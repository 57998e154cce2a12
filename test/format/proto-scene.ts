/** What the tests of messages work on: every generated message beside protobufjs' own reflection of the same .proto files. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import * as health from '../../src/format/health-messages.ts';
import type { MethodType, Writer } from '../../src/format/message-type.ts';
import * as penstock from '../../src/format/messages.ts';
import * as reflection from '../../src/format/reflection-messages.ts';

export const checkout = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

export type Values = Record<string, unknown>;

/** A `MessageType` whose fields nobody knows. */
export interface SomeMessage {
  readonly fullName: string;
  encode(values: Values): Buffer;
  encodeInto(writer: Writer, values: Values): void;
  decode(bytes: Uint8Array): Values;
}

/** protobufjs' own copy of this file keeps the name of the field as it is in C++. */
const ANY = 'syntax = "proto3"; package google.protobuf; message Any { string type_url = 1; bytes value = 2; }';

/** The .proto files with all that they import, the names of fields as TypeScript has them. */
export function reflected(): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => path.join(checkout, 'proto', target.replace(/^.*\/proto\//, ''));
  root.files.push('google/protobuf/any.proto');
  protobuf.parse(ANY, root);
  return root.loadSync([
    'penstock/v1/objects.proto',
    'penstock/v1/batches.proto',
    'google/rpc/error_details.proto',
    'grpc/health/v1/health.proto',
    'grpc/reflection/v1/reflection.proto',
  ]);
}

const exported = Object.entries({ ...penstock, ...health, ...reflection }) as [string, object][];

export const MESSAGES = exported.filter(([, value]) => 'fullName' in value).map(([, value]) => value as SomeMessage);

const { HealthService } = health;
const { BatchesService, ObjectsService } = penstock;
const { ServerReflectionService } = reflection;
export const SERVICES: readonly Readonly<Record<string, MethodType<unknown, unknown>>>[] = [
  { ...BatchesService },
  { ...HealthService },
  { ...ObjectsService },
  { ...ServerReflectionService },
];

export const ENUMS = exported
  .filter(([name, value]) => !('fullName' in value) && !name.endsWith('Service'))
  .map(([name, value]) => [name, value as Record<string, number>] as const);

export const hasPresence = (field: protobuf.Field): boolean =>
  field.partOf !== null || field.resolvedType instanceof protobuf.Type;

/** A default is not written, so a message that holds one is not what it becomes when it is read back: all but defaults, then. */
function scalar(type: string): fc.Arbitrary<unknown> {
  switch (type) {
    case 'string':
      return fc.string({ unit: 'binary', minLength: 1 });
    case 'bytes':
      return fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes));
    case 'bool':
      return fc.constant(true);
    case 'uint32':
    case 'fixed32':
      return fc.integer({ min: 1, max: 2 ** 32 - 1 });
    case 'int32':
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).filter((value) => value !== 0);
    case 'uint64':
      return fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
    case 'int64':
      return fc.maxSafeInteger().filter((value) => value !== 0);
    default:
      throw new Error(`this test does not know values of ${type}`);
  }
}

function single(field: protobuf.Field): fc.Arbitrary<unknown> {
  if (field.resolvedType instanceof protobuf.Type) return valuesOf(field.resolvedType);
  if (field.resolvedType instanceof protobuf.Enum) return scalar('int32');
  return scalar(field.type);
}

function fieldValue(field: protobuf.Field): fc.Arbitrary<unknown> {
  const one = single(field);
  if (field.map) return fc.dictionary(fc.string({ unit: 'binary' }), one, { maxKeys: 3, noNullPrototype: true });
  return field.repeated ? fc.array(one, { minLength: 1, maxLength: 4 }) : one;
}

/** Values of a message without its defaults: a field that is absent is not a property. */
export function valuesOf(type: protobuf.Type): fc.Arbitrary<Values> {
  const fields = type.fieldsArray.map((field) => [field.name, fieldValue(field.resolve())] as const);
  const all = fc.record(Object.fromEntries(fields), { requiredKeys: [] }) as fc.Arbitrary<Values>;
  return all.map((values) => withoutEmpty(type, values));
}

/** Of a oneof at most one; no empty maps. */
function withoutEmpty(type: protobuf.Type, values: Values): Values {
  const kept = Object.entries(values).filter(([name, value]) => {
    const field = type.fields[name] as protobuf.Field;
    if (field.map) return Object.keys(value as object).length > 0;
    const first = field.partOf?.fieldsArray.find((other) => Object.hasOwn(values, other.name));
    return first === undefined || first === field;
  });
  return Object.fromEntries(kept);
}

/** The same values as a decoded message has them: every field, with its default where it is absent. */
export function complete(type: protobuf.Type, values: Values): Values {
  return Object.fromEntries(
    type.fieldsArray.map((field) => [field.name, completeField(field.resolve(), values[field.name])]),
  );
}

function completeField(field: protobuf.Field, value: unknown): unknown {
  const of = field.resolvedType;
  const item = (one: unknown) => (of instanceof protobuf.Type ? complete(of, one as Values) : one);
  if (field.map) {
    const entries = Object.entries((value ?? {}) as Values).map(([key, one]) => [key, item(one)] as const);
    // fromEntries defines what assignment would take for a prototype.
    return Object.setPrototypeOf(Object.fromEntries(entries), null);
  }
  if (field.repeated) return ((value ?? []) as unknown[]).map(item);
  if (value !== undefined) return item(value);
  if (hasPresence(field)) return undefined;
  switch (field.type) {
    case 'string':
      return '';
    case 'bytes':
      return Buffer.alloc(0);
    case 'bool':
      return false;
    default:
      return 0;
  }
}

/** What protobufjs reads. @throws as it does */
export function readReflected(type: protobuf.Type, bytes: Uint8Array): Values {
  return complete(type, type.toObject(type.decode(bytes), { longs: Number }));
}
