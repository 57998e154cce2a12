/** The accounts of the index from its entries alone: what a rebuild and the doctor compare the kept ones with. */
import { Entry } from '../format/index-entry.ts';
import { type Location, recordBytes } from '../format/manifest.ts';
import { addEntry, ClassAccounts, DICTIONARY_ACCOUNT, placesOf } from './class-accounts.ts';
import type { IndexDatabase } from './index-database.ts';

/**
 * The accounts that the entries of the index add up to, in one snapshot of it: nothing here may begin another one.
 *
 * @param extentsOf of an entry's manifest; none for one that cannot be read
 */
export function scanAccounts(index: IndexDatabase, extentsOf: (entry: Entry) => readonly Location[]): ClassAccounts {
  const accounts = new ClassAccounts();
  const start = Buffer.from([0]);
  for (const table of ['objects', 'parts'] as const) {
    for (const { value } of index.range(table, start, undefined)) {
      const entry = new Entry(value);
      let bytes = 0;
      for (const place of placesOf(entry, () => extentsOf(entry))) bytes += recordBytes(place);
      addEntry(accounts, table, entry, 1, bytes);
    }
  }
  for (const { location } of index.dictionaries()) {
    accounts.add(DICTIONARY_ACCOUNT, 1, location.size, recordBytes(location));
  }
  return accounts;
}
