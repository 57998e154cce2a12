/** A bound on the calls that are under way at once, over all the methods that share it: beyond it callers are asked to come back. */
import { GatewayError } from '../../base/errors.ts';
import type { GrpcMethod } from './server-call.ts';

/** The same methods; while `callsMax` of their calls run in this process, further ones end with SlowDown. */
export function limitCalls(methods: readonly GrpcMethod[], callsMax: number): GrpcMethod[] {
  let running = 0;
  return methods.map((method) => ({
    ...method,
    handle: async (call) => {
      if (running >= callsMax)
        throw new GatewayError('SlowDown', `${callsMax} calls of this kind are under way here; try again in a moment.`);
      running++;
      try {
        await method.handle(call);
      } finally {
        running--;
      }
    },
  }));
}
