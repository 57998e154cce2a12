/** Opens an index in a process of its own, says so, and, when it is told to, dies inside a transaction. Arguments: folder, `open` or `die`. */
import { IndexDatabase } from '../../src/store/index-database.ts';

const [folder, what] = process.argv.slice(2) as [string, 'open' | 'die'];
process.stdout.write('opening\n');
const index = IndexDatabase.open(folder, what === 'die' ? 'write' : 'read');
process.stdout.write(`sees ${index.number('n')}\n`);
if (what === 'die') index.transaction(() => process.kill(process.pid, 'SIGKILL'));
void index.close();
