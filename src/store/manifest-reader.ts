/** Reads manifests for those who must go on when one cannot be read: whatever keeps it away is DataLoss. */
import { GatewayError } from '../base/errors.ts';
import { decodeManifest } from '../format/manifest.ts';
import type { ManifestReader } from './applier.ts';
import { VolumeGone } from './record-reader.ts';
import type { VolumeReader } from './volume-reader.ts';

/** @throws GatewayError DataLoss (damaged, unreadable, its volume's file missing) or StoreFailure (the file cannot be opened) */
export function manifestReader(reader: VolumeReader): ManifestReader {
  return (location) => {
    try {
      return decodeManifest(reader.readNow(location));
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      const what = error instanceof VolumeGone ? 'its file is missing' : (error as Error).message;
      throw new GatewayError(
        'DataLoss',
        `The manifest at ${location.offset} of volume ${location.volume} cannot be read: ${what}; run "penstock doctor".`,
        { cause: error },
      );
    }
  };
}
