/**
 * What worker and keeper say to each other over a unix socket: frames of a u32 length (little endian) and a body in V8's
 * structured-clone form. Both ends are forked from the same build, and nothing of this is stored.
 */
import type { Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';
import type { ErrorCode } from '../base/errors.ts';
import type { Submission, SubmissionReply, VolumeGrant } from './committer.ts';

export type KeeperRequest =
  | { readonly id: number; readonly method: 'hello'; readonly session: string }
  | { readonly id: number; readonly method: 'openVolume' }
  | { readonly id: number; readonly method: 'submit'; readonly submission: Submission }
  | {
      readonly id: number;
      readonly method: 'sealVolume';
      readonly volume: number;
      readonly end: number;
      readonly damaged: boolean;
    };

export type KeeperAnswer =
  | {
      readonly id: number;
      readonly grant?: VolumeGrant;
      readonly reply?: SubmissionReply;
      readonly error?: { readonly code: ErrorCode; readonly message: string };
    }
  | { readonly id: 0; readonly event: 'volumeDropped' | 'sealWanted'; readonly volume: number };

/** A submission holds at most 1,024 heads of 34 KiB and 256 decisions with manifests; far more is a bug. */
const FRAME_BYTES_MAX = 1024 * 1024 * 1024;

export function sendFrame(socket: Socket, message: KeeperRequest | KeeperAnswer): void {
  const body = serialize(message);
  const prefix = Buffer.allocUnsafe(4);
  prefix.writeUInt32LE(body.length, 0);
  socket.cork();
  socket.write(prefix);
  socket.write(body);
  socket.uncork();
}

/** Calls `receive` for every whole frame that arrives. */
export function receiveFrames<T>(socket: Socket, receive: (message: T) => void): void {
  let chunks: Buffer[] = [];
  let have = 0;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    have += chunk.length;
    while (have >= 4) {
      if ((chunks[0] as Buffer).length < 4) chunks = [Buffer.concat(chunks)];
      const length = (chunks[0] as Buffer).readUInt32LE(0);
      if (length > FRAME_BYTES_MAX) return void socket.destroy(new Error(`a frame of ${length} bytes is not ours`));
      if (have < 4 + length) return;
      const all = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      receive(deserialize(all.subarray(4, 4 + length)) as T);
      chunks = [all.subarray(4 + length)];
      have -= 4 + length;
    }
  });
}
