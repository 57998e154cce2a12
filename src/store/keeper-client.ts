/**
 * A worker's connection to the keeper. When the keeper dies, requests without an answer wait, the client connects again as soon
 * as the next keeper listens, and sends them anew: the keeper knows a session's last submission and answers it once more. What
 * got no answer within the deadline is StoreBusy: its outcome is unknown.
 */
import { connect, type Socket } from 'node:net';
import { GatewayError } from '../base/errors.ts';
import type { IndexCommitter, KeeperEvents, StoreLog, Submission, SubmissionReply, VolumeGrant } from './committer.ts';
import { type KeeperAnswer, type KeeperRequest, receiveFrames, sendFrame } from './keeper-protocol.ts';

/** A new keeper is up in well under a second; a store that needs longer has a problem that clients should hear of. */
const ANSWER_MS = 20_000;
const RECONNECT_MS = 50;

type RequestBody = KeeperRequest extends infer R ? (R extends { id: number } ? Omit<R, 'id'> : never) : never;
type Answer = Exclude<KeeperAnswer, { id: 0 }>;

interface Outstanding {
  readonly request: KeeperRequest;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

export class KeeperClient implements IndexCommitter {
  readonly #socketPath: string;
  readonly #session: string;
  readonly #log: StoreLog;
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #subscribers: KeeperEvents[] = [];
  #socket: Socket | undefined;
  #greeted = false;
  #nextId = 1;
  #stopped = false;
  #retry: NodeJS.Timeout | undefined;

  private constructor(options: { socketPath: string; session: string; log: StoreLog }) {
    this.#socketPath = options.socketPath;
    this.#session = options.session;
    this.#log = options.log;
  }

  /** Resolves when the keeper answered the first greeting. */
  static async connect(options: { socketPath: string; session: string; log: StoreLog }): Promise<KeeperClient> {
    const client = new KeeperClient(options);
    client.#connect();
    await client.#request({ method: 'hello', session: options.session });
    return client;
  }

  async openVolume(): Promise<VolumeGrant> {
    return (await this.#request({ method: 'openVolume' })).grant as VolumeGrant;
  }

  async submit(submission: Submission): Promise<SubmissionReply> {
    return (await this.#request({ method: 'submit', submission })).reply as SubmissionReply;
  }

  async sealVolume(volume: number, end: number, damaged: boolean): Promise<void> {
    await this.#request({ method: 'sealVolume', volume, end, damaged });
  }

  subscribe(events: KeeperEvents): void {
    this.#subscribers.push(events);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#socket?.destroy();
    for (const [id, waiting] of this.#outstanding) this.#fail(id, waiting, 'the worker stops');
  }

  #request(body: RequestBody): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const request = { ...body, id } as KeeperRequest;
      const timer = setTimeout(() => {
        const waiting = this.#outstanding.get(id);
        if (waiting !== undefined) this.#fail(id, waiting, `the keeper did not answer within ${ANSWER_MS / 1000} s`);
      }, ANSWER_MS);
      this.#outstanding.set(id, { request, resolve, reject, timer });
      if (this.#socket !== undefined && (this.#greeted || request.method === 'hello')) sendFrame(this.#socket, request);
    });
  }

  #fail(id: number, waiting: Outstanding, reason: string): void {
    this.#outstanding.delete(id);
    clearTimeout(waiting.timer);
    waiting.reject(
      new GatewayError('StoreBusy', `The store cannot commit: ${reason}. The outcome of the write is unknown.`),
    );
  }

  #connect(): void {
    const socket = connect(this.#socketPath);
    socket.on('connect', () => this.#greet(socket));
    socket.on('error', () => {}); // 'close' follows and decides
    socket.on('close', () => this.#lost(socket));
    receiveFrames<KeeperAnswer>(socket, (answer) => this.#receive(answer));
  }

  /** Says who we are, then repeats what has no answer, in order. */
  #greet(socket: Socket): void {
    this.#socket = socket;
    this.#greeted = true;
    const waiting = [...this.#outstanding.values()].map((o) => o.request);
    if (!waiting.some((r) => r.method === 'hello'))
      sendFrame(socket, { id: this.#nextId++, method: 'hello', session: this.#session });
    for (const request of waiting) sendFrame(socket, request);
  }

  #lost(socket: Socket): void {
    if (this.#socket === socket) {
      this.#socket = undefined;
      this.#greeted = false;
      if (!this.#stopped) this.#log.warn({ outstanding: this.#outstanding.size }, 'lost the keeper; connecting again');
    }
    if (!this.#stopped) this.#retry = setTimeout(() => this.#connect(), RECONNECT_MS);
  }

  #receive(answer: KeeperAnswer): void {
    if ('event' in answer) {
      for (const subscriber of this.#subscribers) subscriber[answer.event](answer.volume);
      return;
    }
    const waiting = this.#outstanding.get(answer.id);
    if (waiting === undefined) return;
    this.#outstanding.delete(answer.id);
    clearTimeout(waiting.timer);
    if (answer.error === undefined) waiting.resolve(answer);
    else waiting.reject(new GatewayError(answer.error.code, answer.error.message));
  }
}
