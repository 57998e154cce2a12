/** What a store holds, as the table of `penstock status`: by class of content, with what it takes, and how much waits to be looked at. Pure. */
import { CLASS_TITLES } from '../format/content.ts';
import type { GatewayStatus } from '../fronts/admin/status.ts';
import type { StoredStatus } from '../fronts/admin/stored-status.ts';
import { formatBytes, formatCount, formatDuration, plural } from './figures.ts';

/** Lines of the table; with an earlier look, how the backlog went since then. None where the storage knows of no classes or is empty. */
export function storedLines(now: GatewayStatus, before: GatewayStatus | undefined): string[] {
  const { stored } = now;
  if (stored === undefined || (stored.total.objects === 0 && stored.parts.count === 0)) return [];
  const { classes, parts, dictionaries, indexBytes, total } = stored;
  return [
    line('class', 'objects', 'bytes in', 'stored', 'ratio'),
    ...classes.map((each) => row(CLASS_TITLES[each.class], each.objects, each)),
    ...(parts.count > 0
      ? [
          line(
            `parts of uploads (${formatCount(parts.count)})`,
            '',
            formatBytes(parts.bytes),
            formatBytes(parts.storedBytes),
          ),
        ]
      : []),
    ...(dictionaries.count > 0
      ? [line(`dictionaries (${formatCount(dictionaries.count)})`, '', '', formatBytes(dictionaries.storedBytes))]
      : []),
    line('index', '', '', formatBytes(indexBytes)),
    row('total', total.objects, total),
    ...backlogLines(now, before, stored),
  ];
}

interface Amounts {
  readonly bytes: number;
  readonly storedBytes: number;
  readonly ratio: number | null;
}

function row(title: string, objects: number, { bytes, storedBytes, ratio }: Amounts): string {
  return line(title, formatCount(objects), formatBytes(bytes), formatBytes(storedBytes), ratio?.toFixed(2));
}

function line(title: string, objects: string, bytes: string, stored: string, ratio = ''): string {
  const figures = `${objects.padStart(14)}${bytes.padStart(12)}${stored.padStart(12)}${ratio.padStart(8)}`;
  return `${title.padEnd(24)}${figures}`.trimEnd();
}

function backlogLines(now: GatewayStatus, before: GatewayStatus | undefined, stored: StoredStatus): string[] {
  const { objects, bytes } = stored.backlog;
  if (objects === 0) return [];
  const earlier = before?.stored?.backlog;
  const seconds = before === undefined ? 0 : (now.uptimeMs - before.uptimeMs) / 1000;
  const pace = earlier === undefined || seconds <= 0 ? '' : paceText(bytes, (earlier.bytes - bytes) / seconds);
  const { unreadable } = stored.coding;
  return [
    `backlog   ${plural(objects, 'object')}, ${formatBytes(bytes)} not looked at yet${pace}`,
    ...(unreadable > 0
      ? [`damaged   ${formatCount(unreadable)} could not be read to be coded; \`penstock doctor\` says which`]
      : []),
  ];
}

/** @param shrink bytes a second: what was looked at less what came meanwhile */
function paceText(bytes: number, shrink: number): string {
  if (shrink > 0) return `, shrinks by ${formatBytes(shrink)}/s, ${formatDuration((bytes / shrink) * 1000)} to go`;
  return shrink < 0 ? `, grows by ${formatBytes(-shrink)}/s` : '';
}
