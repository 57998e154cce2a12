/**
 * What an error of the disk means. A full disk breaks nothing: what was tried is undone, and it works again when there is room. Any
 * other failure under the index leaves LMDB beyond use for the rest of the process, even when the disk works again (it answers
 * EINVAL or MDB_PANIC from then on), and whether the transaction is on the disk is unknown.
 */
import { GatewayError } from '../base/errors.ts';
import { diskSpace } from './store-root.ts';

const EIO = 5;
const ENOSPC = 28;
const MDB_MAP_FULL = -30792;
/** LMDB calls a short write EIO, which is what the last bytes of a disk give. */
const NEARLY_FULL_BYTES = 4 * 1024 * 1024;

/** Node's errors have names for codes, LMDB's numbers. */
function codeOf(error: unknown): string | number | undefined {
  return error instanceof GatewayError ? undefined : (error as { code?: string | number }).code;
}

export function isDiskFull(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || code === ENOSPC || code === MDB_MAP_FULL;
}

/** `none`: it has another cause than the disk. */
export function troubleUnderIndex(error: unknown, root: string): 'full' | 'broken' | 'none' {
  if (isDiskFull(error)) return 'full';
  const code = codeOf(error);
  if (code === EIO && isNearlyFull(root)) return 'full';
  const isSystemError = typeof code === 'string' && (error as NodeJS.ErrnoException).syscall !== undefined;
  return typeof code === 'number' || isSystemError ? 'broken' : 'none';
}

function isNearlyFull(root: string): boolean {
  try {
    return diskSpace(root).freeBytes < NEARLY_FULL_BYTES;
  } catch {
    return false;
  }
}

/** ENOSPC is for the client to act on; everything else is for the operator. */
export function diskFailure(error: unknown, path: string): GatewayError {
  if (error instanceof GatewayError) return error;
  if (isDiskFull(error)) {
    return new GatewayError('StorageFull', `The disk of ${path} is full; delete objects or add space.`, {
      cause: error,
    });
  }
  return new GatewayError('StoreFailure', `Writing ${path} failed: ${(error as Error).message}`, { cause: error });
}

/** For a failed write that could not be taken back either. */
export function unknownOutcome(error: unknown, path: string): GatewayError {
  const reason = (error as Error).message;
  return new GatewayError(
    'StoreBusy',
    `Writing ${path} failed: ${reason}. Whether the write is stored shows when the disk works again.`,
    { cause: error },
  );
}
