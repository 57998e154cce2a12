/**
 * What a generated message is to those who use it: a `MessageType` that turns plain objects into bytes and back, on top of protobufjs'
 * Reader and Writer (https://protobuf.dev/programming-guides/encoding/). The fields are in message-read.ts and message-write.ts.
 *
 * HOT PATH: a GetBatchRequest of 256 keys of 40 bytes decodes in 25 µs, a frame's 256 entries encode in 50 (November 2025, Node 20).
 */
import protobuf from 'protobufjs/minimal.js';

export type Reader = protobuf.Reader;
export type Writer = protobuf.Writer;

/** The bytes are not what they should be. The message says which message they were taken for. */
export class MalformedMessage extends RangeError {
  constructor(fullName: string, cause: unknown) {
    super(`${fullName} is malformed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'MalformedMessage';
  }
}

type InputValue<T> = T extends string | number | boolean | undefined
  ? T
  : T extends Uint8Array
    ? Uint8Array
    : T extends readonly (infer Item)[]
      ? readonly InputValue<Item>[]
      : string extends keyof T
        ? { readonly [Key in keyof T]: InputValue<T[Key]> }
        : Input<T>;

/** What can be encoded as an `M`: a field that is left out has its default. */
export type Input<M> = { readonly [Field in keyof M]?: InputValue<M[Field]> | undefined };

export interface MessageType<M> {
  /** `penstock.v1.ObjectInfo` */
  readonly fullName: string;
  /**
   * Fields in ascending order of number; defaults take no bytes. The result is the caller's.
   * @throws RangeError for a number that its field cannot hold, or a string that is not well-formed Unicode
   */
  encode(message: Input<M>): Buffer;
  /** Appends what `encode` would give. */
  encodeInto(writer: Writer, message: Input<M>): void;
  /**
   * All fields of the message; its `bytes` are views of the input. Unknown fields are skipped, and as proto3 has it a later value
   * replaces an earlier one, a later message is merged into it.
   * @throws MalformedMessage
   */
  decode(bytes: Uint8Array): M;
}

/** One method of a service, as the generated tables of services have it. */
export interface MethodType<Request, Response> {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly kind: 'unary' | 'server-stream' | 'client-stream' | 'bidi-stream';
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
}

export type WriteMessage<M> = (writer: Writer, message: Input<M>) => void;
/** Reads to the end of the reader; `into` is an earlier value of the same field, to merge with. */
export type ReadMessage<M> = (reader: Reader, into?: M) => M;

export function messageType<M>(fullName: string, write: WriteMessage<M>, read: ReadMessage<M>): MessageType<M> {
  return {
    fullName,
    encode(message) {
      const writer = protobuf.Writer.create();
      write(writer, message);
      return writer.finish() as Buffer;
    },
    encodeInto: write,
    decode(bytes) {
      const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      try {
        return read(protobuf.Reader.create(buffer));
      } catch (cause) {
        throw new MalformedMessage(fullName, cause);
      }
    },
  };
}
