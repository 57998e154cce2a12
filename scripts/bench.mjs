/** `npm run bench -- NAME ...` and `npm run loadtest -- NAME ...`: set up, then run FOLDER/NAME.ts through tsx. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { runChild } from './child.mjs';
import { filesUnder, root, setupOrExit } from './setup.mjs';

const [folder, name, ...rest] = process.argv.slice(2);
const full = path.join(root, folder);
const names = (existsSync(full) ? filesUnder(full) : [])
  .filter((file) => file.endsWith('.ts') && !file.includes('/'))
  .map((file) => file.slice(0, -'.ts'.length));
if (!names.includes(name)) {
  const reason = name ? `there is no ${folder}/${name}.ts` : 'no name given';
  process.stderr.write(`npm run ${folder}: ${reason}; give one of: ${names.join(', ') || `(${folder}/ is empty)`}\n`);
  process.exit(2);
}

await setupOrExit();
process.exitCode = await runChild(process.execPath, ['--import', 'tsx', `${folder}/${name}.ts`, ...rest]);
