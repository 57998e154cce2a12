#!/usr/bin/env node
/** The process entry. Checks Node before anything is loaded that an old one could not even parse. */
import { fileURLToPath } from 'node:url';
import { nodeVersionFault } from './base/node-version.ts';

const fault = nodeVersionFault(process.versions.node);
if (fault === undefined) {
  const { LOCAL_STORAGE } = await import('./local-storage.ts');
  const { run } = await import('./run.ts');
  await run(process, fileURLToPath(import.meta.url), LOCAL_STORAGE);
} else {
  process.stderr.write(`${fault}\n`);
  process.exitCode = 1;
}
