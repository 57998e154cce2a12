/**
 * `grpc.reflection.v1.ServerReflection` and its elder `v1alpha`, whose messages are the same: generic clients learn services and
 * messages from the server. A file comes with all that it imports, each once a stream, so that one question is enough.
 *
 * https://github.com/grpc/grpc-proto/blob/master/grpc/reflection/v1/reflection.proto
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { FILE_DESCRIPTORS, type FileDescriptor } from '../../format/file-descriptors.ts';
import type { Input } from '../../format/message-type.ts';
import {
  ServerReflectionRequest,
  ServerReflectionResponse,
  ServerReflectionService,
} from '../../format/reflection-messages.ts';
import { decodeRequest } from './decode-request.ts';
import type { GrpcMethod, ServerCall } from './server-call.ts';
import { GRPC_STATUS } from './status.ts';

type Answer = Omit<Input<ServerReflectionResponse>, 'validHost' | 'originalRequest'>;

const V1 = ServerReflectionService.serverReflectionInfo;

/** @param services full names of all services of the server, its own two versions among them */
export function reflectionMethods(services: readonly string[]): GrpcMethod[] {
  const files = new Files(FILE_DESCRIPTORS);
  const method = (path: string): GrpcMethod => ({
    path,
    kind: V1.kind,
    messageBytesMax: LIMITS.grpcHealthRequestBytesMax,
    compresses: true,
    handle: (call) => reflect(call, files, services),
  });
  return [method(V1.path), method(V1.path.replace('.v1.', '.v1alpha.'))];
}

async function reflect(call: ServerCall, files: Files, services: readonly string[]): Promise<void> {
  const sent = new Set<string>();
  for await (const bytes of call.messages()) {
    const request = decodeRequest(ServerReflectionRequest, bytes);
    const answer = answerTo(request, files, services, sent);
    await call.write(ServerReflectionResponse.encode({ validHost: request.host, originalRequest: request, ...answer }));
  }
}

function answerTo(
  request: ServerReflectionRequest,
  files: Files,
  services: readonly string[],
  sent: Set<string>,
): Answer {
  const { fileByFilename, fileContainingSymbol, fileContainingExtension, allExtensionNumbersOfType } = request;
  if (request.listServices !== undefined) {
    return { listServicesResponse: { service: services.map((name) => ({ name })) } };
  }
  if (fileByFilename !== undefined)
    return filesAnswer(files, files.named(fileByFilename), sent, `file ${fileByFilename}`);
  if (fileContainingSymbol !== undefined) {
    return filesAnswer(files, files.declaring(fileContainingSymbol), sent, `symbol ${fileContainingSymbol}`);
  }
  if (fileContainingExtension !== undefined) {
    const { containingType, extensionNumber } = fileContainingExtension;
    return notFound(`extension ${extensionNumber} of ${containingType}`);
  }
  if (allExtensionNumbersOfType !== undefined) {
    const isKnown = files.declaring(allExtensionNumbersOfType) !== undefined;
    if (!isKnown) return notFound(`type ${allExtensionNumbersOfType}`);
    return { allExtensionNumbersResponse: { baseTypeName: allExtensionNumbersOfType, extensionNumber: [] } };
  }
  throw new GatewayError('InvalidArgument', 'The reflection request asks for nothing.');
}

function filesAnswer(files: Files, file: FileDescriptor | undefined, sent: Set<string>, asked: string): Answer {
  if (file === undefined) return notFound(asked);
  const fileDescriptorProto = [Buffer.from(file.base64, 'base64')];
  sent.add(file.name);
  for (const imported of files.importsOf(file)) {
    if (sent.has(imported.name)) continue;
    sent.add(imported.name);
    fileDescriptorProto.push(Buffer.from(imported.base64, 'base64'));
  }
  return { fileDescriptorResponse: { fileDescriptorProto } };
}

function notFound(asked: string): Answer {
  return { errorResponse: { errorCode: GRPC_STATUS.notFound, errorMessage: `Penstock has no ${asked}.` } };
}

class Files {
  readonly #byName = new Map<string, FileDescriptor>();
  readonly #bySymbol = new Map<string, FileDescriptor>();

  constructor(files: readonly FileDescriptor[]) {
    for (const file of files) {
      this.#byName.set(file.name, file);
      for (const symbol of file.symbols) this.#bySymbol.set(symbol, file);
    }
  }

  named(name: string): FileDescriptor | undefined {
    return this.#byName.get(name);
  }

  declaring(symbol: string): FileDescriptor | undefined {
    return this.#bySymbol.get(symbol);
  }

  /** All that it needs, directly or not; some more than once. */
  *importsOf(file: FileDescriptor): Generator<FileDescriptor, void, undefined> {
    for (const name of file.imports) {
      const imported = this.#byName.get(name);
      if (imported === undefined) continue;
      yield imported;
      yield* this.importsOf(imported);
    }
  }
}
