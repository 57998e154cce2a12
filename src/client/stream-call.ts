/**
 * One gRPC call of any kind, as messages in and messages out. Promises: at most one message waits here and little more in grpc-js, so that
 * a slow reader stops the sender; a call that did not end with OK throws, after the messages that came before; `cancel` is idempotent.
 *
 * Hardest decision: it stands on the channel's calls and not on the streams of grpc-js's client, which keep sixteen messages each (16 MiB
 * of frames) and cannot be told not to.
 */
import { type ChannelInterface, type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { errorOfStatus, type PenstockError } from './penstock-error.ts';
import { brokenProtocol } from './protocol-error.ts';

type ChannelCall = ReturnType<ChannelInterface['createCall']>;

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: PenstockError) => void;
}

export class StreamCall {
  readonly #call: ChannelCall;
  readonly #onEnd: () => void;
  #timer: NodeJS.Timeout | undefined;
  #message: Buffer | undefined;
  #end: StatusObject | undefined;
  #reader: Waiting<Buffer | undefined> | undefined;
  #writer: Waiting<void> | undefined;

  /** @param onEnd called once, when the call has ended in whatever way */
  constructor(channel: ChannelInterface, path: string, metadata: Metadata, onEnd: () => void) {
    this.#onEnd = onEnd;
    this.#call = channel.createCall(path, Number.POSITIVE_INFINITY, null, null, null);
    this.#call.start(metadata, {
      onReceiveMetadata: () => {},
      onReceiveMessage: (message: Buffer) => this.#take(message),
      onReceiveStatus: (end) => this.#finish(end),
    });
    this.#call.startRead();
  }

  /** Ends the call with DEADLINE_EXCEEDED after so many milliseconds. */
  endAfter(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#call.cancelWithStatus(status.DEADLINE_EXCEEDED, 'the deadline passed before the gateway had answered');
    }, ms);
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** The next message; `undefined` when the call has ended with OK. One at a time. @throws PenstockError */
  next(): Promise<Buffer | undefined> {
    const message = this.#message;
    if (message !== undefined) {
      this.#message = undefined;
      if (this.#end === undefined) this.#call.startRead();
      return Promise.resolve(message);
    }
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      if (this.#end !== undefined) this.#answerReader(this.#end);
    });
  }

  /** The only message of a call that has one. @throws PenstockError */
  async only(): Promise<Buffer> {
    const message = await this.next();
    if (message === undefined) throw brokenProtocol('ended with OK and without its message');
    if ((await this.next()) !== undefined) throw brokenProtocol('sent more than one message');
    return message;
  }

  /** Resolves when the transport has taken the message, which then belongs to it. One at a time. @throws PenstockError */
  write(message: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#writer = { resolve, reject };
      if (this.#end !== undefined) {
        this.#answerWriter(this.#end);
        return;
      }
      const callback = (): void => {
        if (this.#end === undefined) this.#answerWriter(undefined);
      };
      this.#call.sendMessageWithContext({ callback }, message);
    });
  }

  /** No more messages will be written. */
  halfClose(): void {
    if (this.#end === undefined) this.#call.halfClose();
  }

  cancel(): void {
    if (this.#end !== undefined) return;
    this.#call.cancelWithStatus(status.CANCELLED, 'cancelled by the client');
  }

  /** Ends the call as a broken connection would. */
  giveUp(why: string): void {
    if (this.#end === undefined) this.#call.cancelWithStatus(status.UNAVAILABLE, why);
  }

  #take(message: Buffer): void {
    if (this.#reader === undefined) {
      this.#message = message;
      return;
    }
    const { resolve } = this.#reader;
    this.#reader = undefined;
    this.#call.startRead();
    resolve(message);
  }

  #finish(end: StatusObject): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearTimeout(this.#timer);
    this.#answerWriter(end);
    if (this.#message === undefined) this.#answerReader(end);
    this.#onEnd();
  }

  #answerReader(end: StatusObject): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (end.code === status.OK) reader?.resolve(undefined);
    else reader?.reject(errorOfStatus(end));
  }

  #answerWriter(end: StatusObject | undefined): void {
    const writer = this.#writer;
    this.#writer = undefined;
    if (end === undefined) writer?.resolve();
    else if (end.code === status.OK) writer?.reject(brokenProtocol('ended the call before it had taken everything'));
    else writer?.reject(errorOfStatus(end));
  }
}
