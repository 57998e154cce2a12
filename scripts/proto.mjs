/**
 * `node scripts/proto.mjs`: writes the TypeScript of the messages in proto/ and the descriptors for server reflection into src/format/.
 * `--check` writes nothing and exits with 1 when a file is not what it would be.
 *
 * Hardest decision: code of our own instead of protobufjs' generator. It gives plain objects with exactly the types that the gateway wants
 * (numbers for 64 bits, null-prototype maps, checked UTF-8), and a message is what its interface says; protobufjs parses, and its
 * reader and writer do the work at run time.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { descriptorsModule } from './proto-descriptors.mjs';
import { messagesModule } from './proto-messages.mjs';
import { parseFiles } from './proto-parse.mjs';
import { root } from './setup.mjs';

/** Files of a module depend on files of the same module or of an earlier one. */
const MODULES = [
  {
    file: 'src/format/messages.ts',
    promise: 'The messages and services of penstock.v1, and what they use of google.rpc and google.protobuf.',
    protos: [
      'google/protobuf/any.proto',
      'google/protobuf/duration.proto',
      'google/protobuf/timestamp.proto',
      'google/rpc/status.proto',
      'google/rpc/error_details.proto',
      'penstock/v1/types.proto',
      'penstock/v1/objects.proto',
      'penstock/v1/batches.proto',
    ],
  },
  {
    file: 'src/format/health-messages.ts',
    promise: 'The messages and the service of grpc.health.v1.',
    protos: ['grpc/health/v1/health.proto'],
  },
  {
    file: 'src/format/reflection-messages.ts',
    promise: 'The messages and the service of grpc.reflection.v1. Those of v1alpha are the same under another name.',
    protos: ['grpc/reflection/v1/reflection.proto'],
  },
];

/** Files that have no module of their own but are shown by reflection. */
const FURTHER_PROTOS = ['grpc/reflection/v1alpha/reflection.proto'];

const DESCRIPTORS = 'src/format/file-descriptors.ts';

/** As `npm run check` wants it. */
function formatted(file, source) {
  const biome = path.join(root, 'node_modules/.bin/biome');
  const result = spawnSync(biome, ['format', `--stdin-file-path=${file}`], {
    cwd: root,
    input: source,
    encoding: 'utf8',
  });
  if (result.status !== 0) throw new Error(`biome cannot format what was made for ${file}: ${result.stderr}`);
  return result.stdout;
}

/** Path -> content of every generated file. */
function generate() {
  const files = parseFiles(path.join(root, 'proto'), [
    ...MODULES.flatMap((module) => module.protos),
    ...FURTHER_PROTOS,
  ]);
  const outputs = MODULES.map((module) => [module.file, messagesModule(module, files)]);
  outputs.push([DESCRIPTORS, descriptorsModule(files)]);
  return outputs.map(([file, source]) => [file, formatted(file, source)]);
}

function isCurrent(file, source) {
  try {
    return readFileSync(path.join(root, file), 'utf8') === source;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

const stale = generate().filter(([file, source]) => !isCurrent(file, source));
if (process.argv.includes('--check')) {
  for (const [file] of stale) process.stderr.write(`${file} is not what proto/ says; run \`node scripts/proto.mjs\`\n`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const [file, source] of stale) {
    writeFileSync(path.join(root, file), source);
    process.stdout.write(`wrote ${file}\n`);
  }
}
