/** A batch's archive taken apart with tar-stream: its members with their records, and what the closing one says. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import type { RawRequest } from './front-fixture.ts';

export interface Member {
  readonly name: string;
  readonly header: Header;
  /** Without their `PENSTOCK.`; the closing member and foreign ones have none of ours but `status`. */
  readonly records: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Closing {
  readonly slots: number;
  readonly ok: number;
  readonly failed: number;
  readonly bytes: number;
  readonly crc32: Readonly<Record<string, string>>;
}

export interface Archive {
  /** By slot. */
  readonly slots: readonly Member[];
  readonly end: Closing;
}

export async function membersOf(bytes: Buffer): Promise<Member[]> {
  const members: Member[] = [];
  const reader = extract();
  Readable.from([bytes]).pipe(reader);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const { header } = entry;
    const records: Record<string, string> = {};
    for (const [name, value] of Object.entries(header.pax ?? {}))
      if (name.startsWith('PENSTOCK.')) records[name.slice('PENSTOCK.'.length)] = value;
    members.push({ name: header.name, header, records, body: Buffer.concat(chunks) });
  }
  return members;
}

export function hex8(bytes: Buffer): string {
  return crc32(bytes).toString(16).padStart(8, '0');
}

/** Checks everything that holds of every archive. */
export async function archiveOf(bytes: Buffer): Promise<Archive> {
  const members = await membersOf(bytes);
  const last = members.pop();
  assert.equal(last?.name, '__penstock__/end.json');
  assert.equal(last.records.status, 'END');
  const end = JSON.parse(last.body.toString()) as Closing;
  const slots: Member[] = [];
  let ok = 0;
  let sum = 0;
  for (const member of members) {
    const { slot = '', status, crc32: crc = end.crc32[slot] } = member.records;
    assert.ok(slots[Number(slot)] === undefined, `slot ${slot} comes twice`);
    slots[Number(slot)] = member;
    assert.equal(member.name.endsWith('.penstock-failed'), status !== 'OK');
    if (status === 'OK') {
      assert.equal(crc, hex8(member.body), `slot ${slot}`);
      ok++;
      sum += member.body.length;
    } else {
      assert.equal(member.body.length, 0);
      assert.ok((member.records.message ?? '').length > 0);
    }
  }
  assert.deepEqual(
    [end.slots, end.ok, end.failed, end.bytes, members.length],
    [members.length, ok, members.length - ok, sum, end.slots],
  );
  return { slots, end };
}

export function batchRequest(bucket: string, body: unknown, more: Partial<RawRequest> = {}): RawRequest {
  return { method: 'POST', target: `/${bucket}?batch`, body: JSON.stringify(body), ...more };
}
