/**
 * `grpc.health.v1.Health`: is this worker taking calls? It is, from its start until it drains, and so are all of its services.
 * https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto
 */
import { GatewayError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthListRequest,
  HealthListResponse,
  HealthService,
  ServingStatus,
} from '../../format/health-messages.ts';
import { decodeRequest } from './decode-request.ts';
import type { GrpcMethod, ServerCall } from './server-call.ts';
import { CallError, GRPC_STATUS } from './status.ts';

export class Health {
  /** Services that can be asked for; empty stands for the whole gateway. */
  readonly #services: ReadonlySet<string>;
  readonly #watchers = new Set<() => void>();
  #isServing = true;

  constructor(services: readonly string[]) {
    this.#services = new Set(['', ...services]);
  }

  get methods(): GrpcMethod[] {
    const messageBytesMax = LIMITS.grpcHealthRequestBytesMax;
    return [
      { ...HealthService.check, messageBytesMax, handle: (call) => this.#check(call) },
      { ...HealthService.list, messageBytesMax, handle: (call) => this.#list(call) },
      { ...HealthService.watch, messageBytesMax, handle: (call) => this.#watch(call) },
    ];
  }

  stopServing(): void {
    this.#isServing = false;
    for (const changed of [...this.#watchers]) changed();
  }

  get #status(): ServingStatus {
    return this.#isServing ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  async #check(call: ServerCall): Promise<void> {
    const { service } = decodeRequest(HealthCheckRequest, await call.message());
    if (!this.#services.has(service)) throw unknownService(service);
    await call.write(HealthCheckResponse.encode({ status: this.#status }));
  }

  async #list(call: ServerCall): Promise<void> {
    decodeRequest(HealthListRequest, await call.message());
    const statuses = Object.fromEntries([...this.#services].map((service) => [service, { status: this.#status }]));
    await call.write(HealthListResponse.encode({ statuses }));
  }

  async #watch(call: ServerCall): Promise<void> {
    const { service } = decodeRequest(HealthCheckRequest, await call.message());
    const tell = (status: ServingStatus) => call.write(HealthCheckResponse.encode({ status }));
    const isKnown = this.#services.has(service);
    await tell(isKnown ? this.#status : ServingStatus.SERVICE_UNKNOWN);
    await this.#stopped(call.signal);
    if (isKnown) await tell(this.#status);
    throw new GatewayError('ServerClosed'); // no other change is possible
  }

  /** Resolves when this worker drains, or the call is over. */
  #stopped(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const changed = () => {
        this.#watchers.delete(changed);
        signal.removeEventListener('abort', changed);
        resolve();
      };
      if (signal.aborted || !this.#isServing) return resolve();
      this.#watchers.add(changed);
      signal.addEventListener('abort', changed);
    });
  }
}

function unknownService(service: string): CallError {
  return new CallError(GRPC_STATUS.notFound, 'InvalidArgument', `Penstock has no service "${service}".`);
}
