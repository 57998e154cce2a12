/**
 * Looks at the first pages of LMDB's file before LMDB does: it maps the file, so one that was overwritten or cut short ends the
 * process with a signal and no word. What is checked here is what every opening reads first; what lies deeper is found by nobody.
 *
 * Layout of data version 2 (lmdb 3.x), little endian: two meta pages, each 24 bytes of page header, then magic u32, data version
 * u32, address u64, map size u64, and for the free list and the main table 48 bytes each that begin with the page size (u32, of
 * the free list only) and end with the root page (u64; all ones for an empty tree).
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../base/errors.ts';
import { readFully } from './volume-file.ts';

const MAGIC = 0xbeef_c0de;
const DATA_VERSION = 2;
const MAGIC_AT = 24;
const VERSION_AT = 28;
const PAGE_SIZE_AT = 48;
const ROOTS_AT = [88, 136];
const META_BYTES = 160;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** @throws GatewayError InvalidRequest when the file is there and is no whole LMDB file */
export function mustBeLmdb(folder: string): void {
  let fd: number;
  try {
    fd = openSync(join(folder, 'data.mdb'), 'r');
  } catch {
    return; // it is absent, or LMDB's to complain about
  }
  try {
    const fault = fstatSync(fd).size === 0 ? undefined : faultOf(fd);
    if (fault !== undefined) throw unusable(folder, fault);
  } finally {
    closeSync(fd);
  }
}

export function unusable(folder: string, why: string): GatewayError {
  return new GatewayError(
    'InvalidRequest',
    `The index in ${folder} cannot be opened (${why}); run "penstock doctor --rebuild-index" to make it anew from the volumes.`,
  );
}

function faultOf(fd: number): string | undefined {
  const first = readFully(fd, 0, META_BYTES);
  if (first.length < META_BYTES || first.readUInt32LE(MAGIC_AT) !== MAGIC) return 'it is not a file of LMDB';
  if (first.readUInt32LE(VERSION_AT) !== DATA_VERSION) return undefined; // LMDB knows
  const pageSize = first.readUInt32LE(PAGE_SIZE_AT);
  const second = readFully(fd, pageSize, META_BYTES);
  if (second.length < META_BYTES || second.readUInt32LE(MAGIC_AT) !== MAGIC) return 'its second page is damaged';
  // After the pages were read: a writer may be at work, and the file grows before a root page is named.
  const { size } = fstatSync(fd);
  for (const at of ROOTS_AT) {
    for (const meta of [first, second]) {
      const root = meta.readBigUInt64LE(at);
      if (root !== NO_PAGE && (root + 1n) * BigInt(pageSize) > BigInt(size))
        return `it ends after ${size} bytes, before its page ${root}`;
    }
  }
  return undefined;
}
