/**
 * How a verb ends: exit codes that scripts can rely on, and the errors that carry one. The message of a `CliError` says what
 * happened, to what, and what to do; nothing else is printed for it.
 */
export const EXIT = {
  ok: 0,
  /** The work, or some items of it, failed; what and why was printed. */
  failed: 1,
  /** The command line cannot be understood. */
  usage: 2,
  /** No gateway answers there, or it does not accept the credential. */
  unreachable: 3,
  /** Ended by Ctrl-C; what was done stays done. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_HELP = `
Exit codes: 0 done; 1 failed, or some items failed; 2 wrong usage; 3 no gateway there, or not authorised; 130 interrupted.`;

export class CliError extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.failed, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

export function usageError(message: string): CliError {
  return new CliError(message, EXIT.usage);
}

/** An answer of the gateway that is not a success. */
export class S3ReplyError extends Error {
  readonly status: number;
  /** S3 error code; for answers without a body (HEAD) one that fits the status. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'S3ReplyError';
    this.status = status;
    this.code = code;
  }
}

const CREDENTIAL_CODES: ReadonlySet<string> = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'RequestTimeTooSkewed',
  'AuthorizationHeaderMalformed',
]);

const ADVICE: Readonly<Record<string, string>> = {
  AccessDenied: 'Use a key of the owner of the bucket, or the root key.',
  InvalidAccessKeyId:
    'Set PENSTOCK_ACCESS_KEY and PENSTOCK_SECRET_KEY to a key of this gateway, or name its folder with --dir.',
  SignatureDoesNotMatch: 'Check PENSTOCK_SECRET_KEY, and PENSTOCK_REGION if the gateway was started with --region.',
  RequestTimeTooSkewed: 'Set the clock of this machine, or of the gateway, right.',
  NoSuchBucket: 'See `penstock ls` for the buckets, or make it with `penstock bucket create`.',
  StorageFull: 'Delete objects or add space to the disk of the gateway, then run the same command again.',
};

export interface Ending {
  readonly exitCode: ExitCode;
  /** Empty when there is nothing to say. */
  readonly text: string;
}

/** What to print and how to exit for an error that ended a verb. */
export function endingOf(error: unknown, interrupted: boolean): Ending {
  if (interrupted)
    return { exitCode: EXIT.interrupted, text: error instanceof CliError ? error.message : 'Interrupted.' };
  if (error instanceof CliError) return { exitCode: error.exitCode, text: error.message };
  if (error instanceof S3ReplyError) {
    const exitCode =
      CREDENTIAL_CODES.has(error.code) || error.status === 401 || error.status === 403 ? EXIT.unreachable : EXIT.failed;
    return { exitCode, text: messageOf(error) };
  }
  if (
    error instanceof Error &&
    (error.name === 'KeyFileError' || (error as NodeJS.ErrnoException).syscall !== undefined)
  ) {
    return { exitCode: EXIT.failed, text: error.message };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { exitCode: EXIT.failed, text: `This is a bug in Penstock; please report it with these lines:\n${stack}` };
}

/** One line for one item that failed. */
export function messageOf(error: unknown): string {
  if (!(error instanceof S3ReplyError)) return error instanceof Error ? error.message : String(error);
  const advice = ADVICE[error.code];
  return `${error.code}: ${error.message}${advice === undefined ? '' : ` ${advice}`}`;
}

/** An error that every further item would meet too, so that the run ends at once. */
export function isFatal(error: unknown): boolean {
  if (error instanceof CliError) return true;
  if (!(error instanceof S3ReplyError)) return (error as NodeJS.ErrnoException | undefined)?.code === 'ENOSPC';
  return CREDENTIAL_CODES.has(error.code) || ['AccessDenied', 'NoSuchBucket', 'StorageFull'].includes(error.code);
}
