/**
 * A worker's connection to the keeper. When the keeper dies, requests without an answer wait, the client connects again as soon
 * as the next keeper listens, and sends them anew: the keeper knows a session's last submission and answers it once more. A
 * submission waits as long as it takes (`CommitPipe` bounds its writers); other requests get StoreBusy after a while.
 *
 * The hardest decision: a dying keeper may have written a decision to its volume, and the next one has replayed that, without an
 * answer being kept. The decision sent anew can then fail on its own effect. So no failure of a decision that was sent twice is
 * believed: its outcome is unknown.
 */
import { connect, type Socket } from 'node:net';
import { GatewayError } from '../base/errors.ts';
import type {
  DecisionOutcome,
  IndexCommitter,
  KeeperEvents,
  StoreLog,
  Submission,
  SubmissionReply,
  VolumeGrant,
} from './committer.ts';
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
  readonly timer: NodeJS.Timeout | undefined;
  /** How often it was sent. */
  sent: number;
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
    const { reply, sent } = await this.#request({ method: 'submit', submission });
    return sent > 1 ? withDoubt(reply as SubmissionReply) : (reply as SubmissionReply);
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

  #request(body: RequestBody): Promise<Answer & { readonly sent: number }> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const request = { ...body, id } as KeeperRequest;
      const timer = body.method === 'submit' ? undefined : setTimeout(() => this.#expire(id), ANSWER_MS);
      const waiting: Outstanding = {
        request,
        resolve: (answer) => resolve({ ...answer, sent: waiting.sent }),
        reject,
        timer,
        sent: 0,
      };
      this.#outstanding.set(id, waiting);
      if (this.#socket !== undefined && (this.#greeted || request.method === 'hello'))
        this.#send(this.#socket, waiting);
    });
  }

  #send(socket: Socket, waiting: Outstanding): void {
    waiting.sent++;
    sendFrame(socket, waiting.request);
  }

  #expire(id: number): void {
    const waiting = this.#outstanding.get(id);
    if (waiting !== undefined) this.#fail(id, waiting, `the keeper did not answer within ${ANSWER_MS / 1000} s`);
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
    const waiting = [...this.#outstanding.values()];
    if (!waiting.some(({ request }) => request.method === 'hello'))
      sendFrame(socket, { id: this.#nextId++, method: 'hello', session: this.#session });
    for (const each of waiting) this.#send(socket, each);
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

/** The reply to a submission that more than one keeper has seen. */
function withDoubt(reply: SubmissionReply): SubmissionReply {
  const decisions = reply.decisions.map((outcome): DecisionOutcome => {
    if (outcome.ok) return outcome;
    const message = `The store restarted in the middle of this write, and then refused it (${outcome.code}). Its outcome is unknown: look, or try again.`;
    return { ok: false, code: 'StoreBusy', message };
  });
  return { ...reply, decisions };
}
