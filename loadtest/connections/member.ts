/** Clients of a target, one connection each, whose requests are all checked: GETs over S3, GetBatch over gRPC. */

import { type DataSet, type DataSetSpec, makeDataSet } from '../suite/data-set.ts';
import { KeptConnection } from '../suite/kept-connection.ts';
import { RequestWriter, SignedGets } from '../suite/request-writer.ts';
import type { Wanted } from './batch-check.ts';
import { BatchSession } from './batch-session.ts';
import { checkGet } from './get-check.ts';
import { sourceOf } from './open-files.ts';
import { grpcOf, type Route } from './route.ts';
import { faulty, type Outcome } from './tally.ts';

export type Protocol = 's3' | 'grpc';

export const PROTOCOL_NAMES: Readonly<Record<Protocol, string>> = { s3: 'S3', grpc: 'gRPC' };

/** What they read: plain data. */
export interface Reading {
  readonly route: Route;
  readonly dataSet: DataSetSpec;
  readonly bucket: string;
  /** Objects of one GetBatch. */
  readonly batch: number;
}

export interface Member {
  readonly isOpen: boolean;
  /** Of answers, with what is around objects. */
  readonly receivedBytes: number;
  /** Reads the object of that number, or the batch that begins with it; numbers beyond the last begin again. Never rejects. */
  ask(position: number): Promise<Outcome>;
  close(): void;
}

export class Members {
  readonly #reading: Reading;
  readonly #dataSet: DataSet;
  readonly #gets: SignedGets;
  #made = 0;

  constructor(reading: Reading) {
    this.#reading = reading;
    this.#dataSet = makeDataSet(reading.dataSet);
    const { route, bucket } = reading;
    this.#gets = new SignedGets(new RequestWriter(route.hostHeader, bucket, route.credentials));
  }

  /** How many objects there are to ask for. */
  get objects(): number {
    return this.#dataSet.count;
  }

  /** @throws the system's error when it cannot connect */
  open(protocol: Protocol): Promise<Member> {
    return protocol === 's3' ? this.#openS3() : this.#openGrpc();
  }

  async #openS3(): Promise<Member> {
    const { route } = this.#reading;
    const source = sourceOf(this.#made++, route.host);
    const connection = await KeptConnection.open(route, source === undefined ? {} : { source });
    const ask = async (position: number): Promise<Outcome> => {
      const wanted = this.#wanted(position);
      try {
        return checkGet(await connection.exchange(this.#gets.of(wanted.key)), wanted);
      } catch (error) {
        return faulty('broken', `GET: ${(error as Error).message}`);
      }
    };
    return memberOf(connection, ask);
  }

  async #openGrpc(): Promise<Member> {
    const { route, bucket, batch } = this.#reading;
    const session = await BatchSession.open(route, sourceOf(this.#made++, grpcOf(route).host));
    const ask = (position: number): Promise<Outcome> => {
      const wanted = Array.from({ length: batch }, (_, i) => this.#wanted(position + i));
      return session.getBatch(bucket, wanted);
    };
    return memberOf(session, ask);
  }

  #wanted(position: number): Wanted {
    const at = position % this.#dataSet.count;
    const content = { size: this.#dataSet.sizeOf(at), crc: this.#dataSet.crcOf(at) };
    return { key: this.#dataSet.keyOf(at), content };
  }
}

function memberOf(connection: Pick<Member, 'isOpen' | 'receivedBytes' | 'close'>, ask: Member['ask']): Member {
  return {
    get isOpen() {
      return connection.isOpen;
    },
    get receivedBytes() {
      return connection.receivedBytes;
    },
    ask,
    close: () => connection.close(),
  };
}
