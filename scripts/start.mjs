/**
 * `npm start` and `npm run demo`: set up, then become `node dist/main.js VERB ...`. It is imported into this process, not
 * spawned, so that signals, the terminal and the exit code are the gateway's own.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, setupOrExit } from './setup.mjs';

await setupOrExit();
const main = path.join(root, 'dist/main.js');
process.argv[1] = main;
await import(pathToFileURL(main).href);
