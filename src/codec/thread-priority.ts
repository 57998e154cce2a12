/**
 * Puts the thread that calls it behind all others: coding in the background takes the cores that nobody else wants.
 *
 * Hardest decision: it happens from within, since Linux knows priorities of threads, and Node only those of "this process", which is the
 * calling thread there. Threads inherit it from whoever starts them, so Node's thread pool, which reads and flushes files for the whole
 * process and starts with the first that needs it, is made to run before.
 */

import { stat } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { execPath, platform } from 'node:process';

/** Of nice. */
const LOWEST_PRIORITY = 19;

/** Does nothing where priorities belong to whole processes. */
export async function yieldToOthers(): Promise<void> {
  if (platform !== 'linux') return;
  await stat(execPath);
  setPriority(0, LOWEST_PRIORITY);
}
