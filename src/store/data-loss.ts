/** What a reader is told when bytes cannot be had: DataLoss that names the object, whatever the disk did. */
import { GatewayError } from '../base/errors.ts';
import { VolumeGone } from './record-reader.ts';

/** @param resource as the client named it, `/bucket/key`. Errors that are not about lost bytes come back as they are. */
export function dataLossOf(error: unknown, resource: string): unknown {
  if (error instanceof VolumeGone) {
    const message = `The file of volume ${error.volume} is missing; restore it, or run "penstock doctor".`;
    return new GatewayError('DataLoss', message, { resource, cause: error });
  }
  if (!(error instanceof GatewayError) || error.code !== 'DataLoss') return error;
  return new GatewayError('DataLoss', error.message, { resource, cause: error });
}
