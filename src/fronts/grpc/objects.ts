/** The methods of `penstock.v1.Objects`. */
import { LIMITS } from '../../base/limits.ts';
import type { DataPlane } from './access.ts';
import { limitCalls } from './call-limit.ts';
import { deleteObjects } from './object-delete.ts';
import { getObject, headObject } from './object-get.ts';
import { listObjects } from './object-list.ts';
import { putObject } from './object-put.ts';
import type { CallKind, GrpcMethod, ServerCall } from './server-call.ts';

type Handler = (plane: DataPlane, call: ServerCall) => Promise<void>;

const METHODS: readonly (readonly [name: string, kind: CallKind, messageBytesMax: number, handler: Handler])[] = [
  ['Head', 'unary', LIMITS.objectMessageBytesMax, headObject],
  ['Get', 'server-stream', LIMITS.objectMessageBytesMax, getObject],
  ['Put', 'client-stream', LIMITS.putMessageBytesMax, putObject],
  ['Delete', 'unary', LIMITS.deleteMessageBytesMax, deleteObjects],
  ['List', 'server-stream', LIMITS.objectMessageBytesMax, listObjects],
];

/** They share one bound on calls under way; those that write have a lower one of their own. */
export function objectsMethods(plane: DataPlane): GrpcMethod[] {
  const methods = METHODS.map(([name, kind, messageBytesMax, handler]) => ({
    path: `/penstock.v1.Objects/${name}`,
    kind,
    messageBytesMax,
    // Lists are text; bytes of images do not shrink.
    ...(name === 'List' && { compresses: true }),
    handle: (call: ServerCall) => handler(plane, call),
  }));
  const isPut = ({ kind }: GrpcMethod) => kind === 'client-stream';
  return [
    ...limitCalls(methods.filter(isPut), LIMITS.putCallsMax),
    ...limitCalls(
      methods.filter((method) => !isPut(method)),
      LIMITS.objectCallsMax,
    ),
  ];
}
