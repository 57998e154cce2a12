/**
 * Single GETs and PUTs over kept connections, one request at a time on each: what batches are compared with. Requests are signed before the
 * clock starts, so that the load generator costs little of what is measured; a connection that breaks is counted, and opened again.
 */
import { signedGet, signedPut } from '../../bench/rig/signed-requests.ts';
import type { Signer } from '../../src/format/sigv4-sign.ts';
import type { DataSet } from '../suite/data-set.ts';
import { KeptConnection } from '../suite/kept-connection.ts';
import { type Address, addressOf } from '../suite/wire.ts';
import { dataOf } from './order-data.ts';
import type { GetOrder, PutOrder } from './orders.ts';
import { ownersOf } from './owners.ts';
import { runStreams, type StreamsRun } from './run-streams.ts';
import type { Server } from './servers.ts';
import type { Tally } from './tally.ts';

/** Signed ahead; further ones as they are sent. PUTs are each sent once: no more than can be in the time. */
const HEADS_MAX = 50_000;
const PUTS_A_SECOND = 5000;

function signerOf({ credentials }: Server): Signer {
  return { accessKeyId: credentials.accessKeyId, secret: credentials.secretKey, region: credentials.region };
}

interface Target {
  readonly address: Address;
  readonly host: string;
  readonly signer: Signer;
  readonly idle: KeptConnection[];
}

function targetsOf(servers: readonly Server[]): Target[] {
  return servers.map((server) => {
    const url = new URL(server.endpoint);
    return { address: addressOf(url), host: url.host, signer: signerOf(server), idle: [] };
  });
}

/** Their share to each; where one is asked more at some moment, it gets further ones then. */
async function connectAll(targets: readonly Target[], connections: number): Promise<void> {
  const share = Math.ceil(connections / targets.length);
  for (const { address, idle } of targets)
    idle.push(...(await Promise.all(Array.from({ length: share }, () => KeptConnection.open(address)))));
}

function closeAll(targets: readonly Target[]): void {
  for (const { idle } of targets) for (const connection of idle) connection.close();
}

interface Single {
  readonly head: string;
  readonly body?: Buffer;
  readonly judge: (status: number, bytes: number, crc32: number) => void;
}

/** Never rejects for what the server did. */
async function exchange({ address, idle }: Target, tally: Tally, { head, body, judge }: Single): Promise<void> {
  const sentMs = performance.now();
  tally.requests += 1;
  let connection: KeptConnection | undefined;
  try {
    connection = idle.pop() ?? (await KeptConnection.open(address));
    const { status, bytes, crc32 } = await connection.exchange(head, body);
    if (connection.isOpen) idle.push(connection);
    judge(status, bytes, crc32);
    tally.whole.add(performance.now() - sentMs);
  } catch (error) {
    connection?.close();
    tally.broken(String(error));
  }
}

function headsOf(
  dataSet: DataSet,
  headsMax: number,
  headOf: (position: number) => string,
): (position: number) => string {
  const heads = Array.from({ length: Math.min(dataSet.count, headsMax) }, (_, position) => headOf(position));
  return (position) => heads[position] ?? headOf(position);
}

/** @param begin called when all is ready and the load begins */
export async function loadGets(
  order: GetOrder,
  tally: Tally,
  isStopped: () => boolean,
  begin: () => void,
): Promise<StreamsRun> {
  const dataSet = dataOf(order);
  const { servers, connections, seconds, bucket } = order;
  const targets = targetsOf(servers);
  const owners = ownersOf(dataSet, order.spread, servers.length);
  const targetOf = (position: number): Target => targets[owners[position] as number] as Target;
  const headOf = headsOf(dataSet, HEADS_MAX, (position) => {
    const { host, signer } = targetOf(position);
    return signedGet(`/${bucket}/${dataSet.keyOf(position)}`, host, Date.now(), signer);
  });
  const positions = shuffled(dataSet);
  await connectAll(targets, connections);
  const isOver = (): boolean => isStopped() || tally.isHopeless;
  let next = 0;
  begin();
  try {
    return await runStreams({ streams: connections, seconds, rate: 0, isOver }, () => {
      const position = positions[next++ % positions.length] as number;
      const judge = (status: number, bytes: number, crc32: number): void => {
        if (status === 200) tally.received(dataSet, position, bytes, crc32);
        else tally.refused(`GET ${dataSet.keyOf(position)} was answered with ${status}`);
      };
      return exchange(targetOf(position), tally, { head: headOf(position), judge });
    });
  } finally {
    closeAll(targets);
  }
}

/** Fisher and Yates; and every CRC is made, so that none is while the load runs. */
function shuffled(dataSet: DataSet): Uint32Array {
  const order = Uint32Array.from({ length: dataSet.count }, (_, position) => position);
  for (let i = order.length - 1; i >= 0; i -= 1) {
    dataSet.crcOf(i);
    const j = Math.floor(Math.random() * (i + 1));
    const other = order[j] as number;
    order[j] = order[i] as number;
    order[i] = other;
  }
  return order;
}

export interface PutRun extends StreamsRun {
  /** See `VerifyOrder`. */
  readonly until: readonly number[];
}

/** @param begin called when all is ready and the load begins */
export async function loadPuts(
  order: PutOrder,
  tally: Tally,
  isStopped: () => boolean,
  begin: () => void,
): Promise<PutRun> {
  const dataSet = dataOf(order);
  const { servers, connections, seconds, bucket } = order;
  const targets = targetsOf(servers);
  const owners = ownersOf(dataSet, order.spread, servers.length);
  const targetOf = (position: number): Target => targets[owners[position] as number] as Target;
  const headOf = headsOf(dataSet, Math.min(HEADS_MAX, Math.ceil(PUTS_A_SECOND * seconds)), (position) => {
    const { host, signer } = targetOf(position);
    const path = `/${bucket}/${dataSet.keyOf(position)}`;
    return signedPut(path, host, Date.now(), dataSet.sizeOf(position), {}, signer);
  });
  await connectAll(targets, connections);
  let next = 0;
  const isOver = (): boolean => isStopped() || tally.isHopeless || next >= dataSet.count;
  begin();
  try {
    const run = await runStreams({ streams: connections, seconds, rate: 0, isOver }, () => {
      const position = next++;
      const body = dataSet.bodyOf(position);
      const judge = (status: number): void => {
        if (status === 200) tally.stored(body.length);
        else tally.refused(`PUT ${dataSet.keyOf(position)} was answered with ${status}`);
      };
      return exchange(targetOf(position), tally, { head: headOf(position), body, judge });
    });
    return { ...run, until: servers.map(() => next) };
  } finally {
    closeAll(targets);
  }
}
