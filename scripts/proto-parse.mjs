/**
 * Reads .proto files with protobufjs' parser and resolves the names in them, file by file: what the generators work on.
 *
 * A file is {name, package, imports, options, types, enums, services}: a type {fullName, fields, types, enums}, a field also
 * has its `resolved` type. Only what our files use is understood; everything else is an error, so that nothing is dropped in silence.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import protobuf from 'protobufjs';

/**
 * The standard files that ours import. Every protobuf compiler brings them along; only names, numbers, types and options
 * are stated here, as they are there.
 */
const STANDARD = {
  'google/protobuf/any.proto': standard('any', 'Any', 'string type_url = 1; bytes value = 2;'),
  'google/protobuf/duration.proto': standard('duration', 'Duration', 'int64 seconds = 1; int32 nanos = 2;'),
  'google/protobuf/timestamp.proto': standard('timestamp', 'Timestamp', 'int64 seconds = 1; int32 nanos = 2;'),
};

function standard(file, message, fields) {
  const arenas = file === 'any' ? '' : 'option cc_enable_arenas = true;';
  return `syntax = "proto3"; package google.protobuf; ${arenas}
    option csharp_namespace = "Google.Protobuf.WellKnownTypes";
    option go_package = "google.golang.org/protobuf/types/known/${file}pb";
    option java_multiple_files = true; option java_outer_classname = "${message}Proto";
    option java_package = "com.google.protobuf"; option objc_class_prefix = "GPB";
    message ${message} { ${fields} }`;
}

export const SCALARS = ['string', 'bytes', 'bool', 'uint32', 'int32', 'fixed32', 'uint64', 'int64'];

/** The files in the order given, which must have every file behind those that it imports. */
export function parseFiles(folder, names) {
  const known = new Map();
  const files = names.map((name) => {
    const file = parseFile(name, STANDARD[name] ?? readFileSync(path.join(folder, name), 'utf8'));
    for (const type of file.allTypes) known.set(type.fullName, type);
    for (const entry of file.allEnums) known.set(entry.fullName, entry);
    return file;
  });
  for (const file of files) resolveFile(file, known);
  return files;
}

function parseFile(name, source) {
  const parsed = protobuf.parse(source, new protobuf.Root(), { keepCase: true, alternateCommentMode: true });
  const scope = parsed.root.lookup(parsed.package);
  const file = { name, package: parsed.package, imports: parsed.imports ?? [], options: scope.options ?? {} };
  const members = membersOf(scope, parsed.package);
  file.types = members.types;
  file.enums = members.enums;
  file.services = scope.nestedArray
    .filter((member) => member instanceof protobuf.Service)
    .map((service) => serviceOf(service, parsed.package));
  file.allTypes = withNested(file.types);
  file.allEnums = [...file.enums, ...file.allTypes.flatMap((type) => type.enums)];
  if (parsed.weakImports !== undefined) throw new Error(`${name}: weak and public imports are not understood`);
  return file;
}

function withNested(types) {
  return types.flatMap((type) => [type, ...withNested(type.types)]);
}

function membersOf(scope, fullName) {
  const members = scope.nestedArray ?? [];
  const unknown = members.find(
    (member) => ![protobuf.Type, protobuf.Enum, protobuf.Service].some((kind) => member instanceof kind),
  );
  if (unknown !== undefined)
    throw new Error(`${fullName}.${unknown.name}: only messages, enums and services are understood`);
  return {
    types: members.filter((member) => member instanceof protobuf.Type).map((type) => typeOf(type, fullName)),
    enums: members.filter((member) => member instanceof protobuf.Enum).map((entry) => enumOf(entry, fullName)),
  };
}

function typeOf(type, scope) {
  const fullName = `${scope}.${type.name}`;
  if (type.reserved?.length || type.extensions?.length || type.options) {
    throw new Error(`${fullName}: reserved names, extensions and options are not understood`);
  }
  return {
    kind: 'message',
    name: type.name,
    fullName,
    comment: type.comment,
    fields: type.fieldsArray.map((field) => fieldOf(field, fullName)),
    /** Those of proto3's `optional` last, as protoc has them. */
    oneofs: type.oneofsArray
      .map((oneof) => ({ name: oneof.name, isSynthetic: oneof.isProto3Optional }))
      .sort((a, b) => Number(a.isSynthetic) - Number(b.isSynthetic)),
    ...membersOf(type, fullName),
  };
}

function fieldOf(field, scope) {
  const isMap = field instanceof protobuf.MapField;
  const { proto3_optional: isOptional = false, ...options } = field.options ?? {};
  if (Object.keys(options).length > 0) throw new Error(`${scope}.${field.name}: options are not understood`);
  if (isMap && field.keyType !== 'string') throw new Error(`${scope}.${field.name}: only string keys are understood`);
  return {
    name: field.name,
    jsonName: field.name.replace(/_(.)/g, (_, letter) => letter.toUpperCase()),
    number: field.id,
    typeName: field.type,
    isMap,
    isRepeated: field.repeated,
    isOptional,
    /** Name of the oneof that it is in, be it only that of proto3's `optional`. */
    oneof: field.partOf?.name,
    comment: field.comment,
    scope,
  };
}

function enumOf(entry, scope) {
  return {
    kind: 'enum',
    name: entry.name,
    fullName: `${scope}.${entry.name}`,
    comment: entry.comment,
    values: Object.entries(entry.values).map(([name, number]) => ({ name, number, comment: entry.comments[name] })),
  };
}

function serviceOf(service, scope) {
  return {
    name: service.name,
    fullName: `${scope}.${service.name}`,
    comment: service.comment,
    methods: service.methodsArray.map((method) => ({
      name: method.name,
      comment: method.comment,
      requestName: method.requestType,
      responseName: method.responseType,
      clientStreams: method.requestStream === true,
      serverStreams: method.responseStream === true,
      scope,
    })),
  };
}

/** A name means what the innermost scope around it has. */
function find(name, scope, known) {
  for (let outer = scope; ; outer = outer.slice(0, Math.max(outer.lastIndexOf('.'), 0))) {
    const found = known.get(outer === '' ? name : `${outer}.${name}`);
    if (found !== undefined) return found;
    if (outer === '')
      throw new Error(`${scope}: there is no ${name}; is its file listed in scripts/proto.mjs before this one?`);
  }
}

function resolveFile(file, known) {
  for (const type of file.allTypes) {
    for (const field of type.fields) {
      field.resolved = SCALARS.includes(field.typeName) ? undefined : find(field.typeName, field.scope, known);
    }
  }
  for (const method of file.services.flatMap((service) => service.methods)) {
    method.request = find(method.requestName, method.scope, known);
    method.response = find(method.responseName, method.scope, known);
  }
}
