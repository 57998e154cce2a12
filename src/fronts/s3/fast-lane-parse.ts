// HOT PATH (bench/s3-get.ts: every request of a connection in the fast lane)
/**
 * The strict reader of the fast lane: a plain GET of an object, or nothing. Promises: what it accepts, node:http reads in the
 * same way, down to every name and value; whatever could be read in two ways, changes the answer or is merely unusual is not
 * accepted, and says nothing about the request.
 *
 * Hardest decision: an allow-list of headers. A header that is not on it may mean something, now or in a later version of the ordinary
 * path, so it sends its request there.
 */

/** Longer heads are rare and near the bound that node:http enforces in its own way. */
const HEAD_BYTES_MAX = 8 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_START = 'GET /';
const LINE_END = ' HTTP/1.1\r\n';
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TILDE = 0x7e;
const SLASH = 0x2f;

/** Characters of a path that stands for itself: unreserved ones and `/`, nothing that is escaped or that a router could touch. */
const PATH: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9\-._~/]/.test(String.fromCharCode(code)) ? 1 : 0,
);

/** Each at most once. Beside those that are read below, none has an influence on the answer to a GET. Positions are used below. */
export const LANE_HEADERS = [
  'host',
  'authorization',
  'connection',
  'x-amz-checksum-mode',
  'x-amz-content-sha256',
  'x-amz-date',
  'user-agent',
  'x-amz-user-agent',
  'accept',
  'accept-encoding',
  'accept-language',
  'amz-sdk-invocation-id',
  'amz-sdk-request',
] as const;

const HOST = 0;
const AUTHORIZATION = 1;
const CONNECTION = 2;
const CHECKSUM_MODE = 3;
const ACCEPT_ENCODING = 9;

/** Positions by name, in lower case and `As-Usual`; other casings are found through the first. */
const POSITIONS: ReadonlyMap<string, number> = new Map(
  LANE_HEADERS.flatMap((name, at) => [
    [name, at],
    [name.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase()), at],
  ]),
);

export interface LaneRequest {
  /** The target, which is a path and nothing else. */
  readonly target: string;
  readonly bucket: string;
  /** Not empty. */
  readonly key: string;
  readonly host: string;
  /** It has an Authorization header. */
  readonly isSigned: boolean;
  readonly checksumMode: string | undefined;
  /** As `IncomingMessage.rawHeaders`, with names in lower case. */
  readonly rawHeaders: readonly string[];
  /** Where the next request starts in the bytes. */
  readonly end: number;
}

/** The request that starts at `from` and ends in these bytes, or `undefined` when the ordinary path must see to it. */
export function parseLaneRequest(bytes: Buffer, from: number): LaneRequest | undefined {
  // Uploads and the like are told by their first bytes, before anything is searched.
  if (bytes[from] !== 0x47 || bytes[from + 1] !== 0x45 || bytes[from + 4] !== SLASH) return undefined;
  const blank = bytes.indexOf(HEAD_END, from);
  if (blank < 0 || blank - from > HEAD_BYTES_MAX) return undefined;
  const text = bytes.toString('latin1', from, blank + 2);
  if (!text.startsWith(LINE_START)) return undefined;
  let slash = -1;
  let at = LINE_START.length;
  for (; PATH[text.charCodeAt(at)] === 1; at += 1) if (slash < 0 && text.charCodeAt(at) === SLASH) slash = at;
  // Bucket and key both have at least one character.
  if (slash <= LINE_START.length || slash + 1 === at || !text.startsWith(LINE_END, at)) return undefined;
  const target = text.slice(LINE_START.length - 1, at);
  const bucket = text.slice(LINE_START.length, slash);
  const key = text.slice(slash + 1, at);
  return parseHeaders(text, at + LINE_END.length, { target, bucket, key, end: blank + HEAD_END.length });
}

function parseHeaders(
  text: string,
  from: number,
  { target, bucket, key, end }: Pick<LaneRequest, 'target' | 'bucket' | 'key' | 'end'>,
): LaneRequest | undefined {
  const rawHeaders: string[] = [];
  let seen = 0;
  let host = '';
  let checksumMode: string | undefined;
  for (let at = from; at < text.length; ) {
    const colon = text.indexOf(':', at);
    if (colon < 0) return undefined;
    const position = positionOf(text.slice(at, colon));
    if (position === undefined || (seen & (1 << position)) !== 0) return undefined;
    seen |= 1 << position;
    const lineEnd = endOfLine(text, colon + 1);
    if (lineEnd < 0) return undefined;
    const value = trimmed(text, colon + 1, lineEnd);
    if (position === HOST) host = value;
    else if (position === CHECKSUM_MODE) checksumMode = value;
    else if (position === CONNECTION && value.toLowerCase() !== 'keep-alive') return undefined;
    else if (position === ACCEPT_ENCODING && asksZstd(value)) return undefined;
    rawHeaders.push(LANE_HEADERS[position] as string, value);
    at = lineEnd + 2;
  }
  if ((seen & (1 << HOST)) === 0) return undefined;
  const isSigned = (seen & (1 << AUTHORIZATION)) !== 0;
  return { target, bucket, key, host, isSigned, checksumMode, rawHeaders, end };
}

/** Who may want stored bytes is answered by the ordinary path, which knows how to say so. */
function asksZstd(value: string): boolean {
  return value !== 'identity' && value.toLowerCase().includes('zstd');
}

function positionOf(name: string): number | undefined {
  return POSITIONS.get(name) ?? POSITIONS.get(name.toLowerCase());
}

/** Where the CR LF of a line of printable ASCII is; -1 when anything else comes first. */
function endOfLine(text: string, from: number): number {
  let at = from;
  for (; ; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= SPACE && code <= TILDE) continue;
    return code === CR && text.charCodeAt(at + 1) === LF ? at : -1;
  }
}

function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && text.charCodeAt(start) === SPACE) start += 1;
  while (end > start && text.charCodeAt(end - 1) === SPACE) end -= 1;
  return text.slice(start, end);
}
