/** That servers of the batch benchmarks answer with what was stored, before and after they are measured; and how they frame it. */
import { PenstockClient } from '../../src/client/client.ts';
import { BenchError } from '../measure/options.ts';
import { BATCH_BUCKET, type Bodies, keyOf, type ObjectSet, SINGLE_BUCKET } from './batch-content.ts';
import { Epoch } from './epoch.ts';
import type { Gateway } from './gateway.ts';
import { type FrameShape, Http2Batches, shapesOf } from './http2-batch.ts';
import { RawConnection } from './raw-connection.ts';
import { SIGNER, signedGet } from './signed-requests.ts';

const CHECKED = 300;

/** @throws BenchError */
export async function checkBatches({ grpcPort }: Gateway, set: ObjectSet, bodies: Bodies): Promise<void> {
  const { accessKeyId, secret: secretKey } = SIGNER;
  const client = new PenstockClient({
    endpoint: `127.0.0.1:${grpcPort}`,
    accessKeyId,
    secretKey,
    bucket: BATCH_BUCKET,
  });
  const positions = new Epoch(set.count).take(Math.min(CHECKED, set.count));
  const answers = await client.getMany(positions.map((position) => keyOf(set, position)));
  client.close();
  for (const [i, answer] of answers.entries()) {
    const position = positions[i] as number;
    if (!Buffer.isBuffer(answer) || !answer.equals(bodies.at(set, position)))
      throw new BenchError(`GetBatch: ${keyOf(set, position)} did not come back as it was stored`);
  }
}

/** @throws BenchError */
export async function checkSingles(port: number, set: ObjectSet, bodies: Bodies): Promise<void> {
  const connection = await RawConnection.open(port);
  for (const position of new Epoch(set.count).take(Math.min(CHECKED, set.count))) {
    const path = `/${SINGLE_BUCKET}/${keyOf(set, position)}`;
    const { status, body } = await connection.exchange(signedGet(path, `127.0.0.1:${port}`, Date.now()));
    if (status !== 200 || !body.equals(bodies.at(set, position)))
      throw new BenchError(`GET ${path} was answered with ${status} and ${body.length} other bytes.`);
  }
  connection.close();
}

/** The frames in which the gateway sends a batch of such objects. */
export async function recordShapes({ grpcPort }: Gateway, set: ObjectSet, batch: number): Promise<FrameShape[]> {
  const batches = await Http2Batches.open(grpcPort);
  const chunks: Buffer[] = [];
  const keys = new Epoch(set.count).take(batch).map((position) => keyOf(set, position));
  await batches.get(BATCH_BUCKET, keys, (chunk) => chunks.push(chunk));
  batches.close();
  const shapes = shapesOf(Buffer.concat(chunks));
  const payload = shapes.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0);
  if (payload !== batch * set.bytes) throw new BenchError(`a batch of ${batch} brought ${payload} bytes of objects`);
  return shapes;
}
