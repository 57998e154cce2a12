/** How the words of options are read, and refused. */
import { InvalidArgumentError } from 'commander';

const JOBS_MAX = 1024;
const EPOCHS_MAX = 100_000;

function parseCount(text: string, max: number): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= max) return count;
  throw new InvalidArgumentError(`Write a number from 1 to ${max}.`);
}

/** Requests that are on their way at once. */
export function parseJobs(text: string): number {
  return parseCount(text, JOBS_MAX);
}

export function parseEpochs(text: string): number {
  return parseCount(text, EPOCHS_MAX);
}
