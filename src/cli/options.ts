/** How the words of options are read, and refused. */
import { InvalidArgumentError } from 'commander';

const JOBS_MAX = 1024;

export function parseJobs(text: string): number {
  const jobs = Number(text);
  if (Number.isInteger(jobs) && jobs >= 1 && jobs <= JOBS_MAX) return jobs;
  throw new InvalidArgumentError(`Write a number from 1 to ${JOBS_MAX}.`);
}
