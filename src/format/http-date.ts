/**
 * Dates of HTTP, SigV4 and S3 XML as milliseconds since the epoch. Promises: a text is a date only when every field is in its
 * range (no 30 February, no hour 24), and what we print we can parse.
 *
 * Hardest decision: a wrong date is `undefined`, not an error, because RFC 9110 wants wrong dates in conditions ignored while
 * S3 wants wrong dates in signatures refused; the caller knows which it is.
 *
 * RFC 9110 section 5.6.7 (the three forms), ISO 8601 basic (`20130524T000000Z`) and extended (`2013-05-24T00:00:00.000Z`).
 */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const IMF_FIXDATE = /^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) (?:GMT|UTC|[+-]0000)$/i;
const RFC_850 = /^[A-Z][a-z]{5,8}, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) GMT$/i;
const ASCTIME = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/i;
const ISO_EXTENDED = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?Z$/;

/** Milliseconds of a UTC date whose fields are all in range, else `undefined`. `month` counts from 1. */
function utc(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  ms = 0,
): number | undefined {
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  const daysInMonth =
    month === 2 ? (isLeap(year) ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  if (day > daysInMonth) return undefined;
  if (year >= 100) return Date.UTC(year, month - 1, day, hour, minute, second, ms);
  // Date.UTC reads years below 100 as 1900 and later.
  return new Date(Date.UTC(2000, month - 1, day, hour, minute, second, ms)).setUTCFullYear(year);
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function monthNumber(name: string): number {
  return MONTHS.indexOf(name.toLowerCase()) + 1;
}

/**
 * Any of the three HTTP forms.
 *
 * @param nowMs decides the century of the two-digit years of RFC 850: at most 50 years ahead
 */
export function parseHttpDate(text: string, nowMs: number): number | undefined {
  const fixdate = IMF_FIXDATE.exec(text);
  if (fixdate !== null) {
    const [, day = '', month = '', year, hour, minute, second] = fixdate;
    return utc(Number(year), monthNumber(month), Number(day), Number(hour), Number(minute), Number(second));
  }
  const asctime = ASCTIME.exec(text);
  if (asctime !== null) {
    const [, month = '', day, hour, minute, second, year] = asctime;
    return utc(Number(year), monthNumber(month), Number(day), Number(hour), Number(minute), Number(second));
  }
  const rfc850 = RFC_850.exec(text);
  if (rfc850 === null) return undefined;
  const [, day, month = '', shortYear, hour, minute, second] = rfc850;
  const thisYear = new Date(nowMs).getUTCFullYear();
  let year = thisYear - (thisYear % 100) + Number(shortYear);
  if (year > thisYear + 50) year -= 100;
  return utc(year, monthNumber(month), Number(day), Number(hour), Number(minute), Number(second));
}

/** `Fri, 24 May 2013 00:00:00 GMT`, rounded down to the second. */
export function formatHttpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** Two digits at `at`, or NaN. No regular expression: SigV4 calls this on every request. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 0x30;
  const ones = text.charCodeAt(at + 1) - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

/** `20130524T000000Z` only. */
export function parseIsoBasic(text: string): number | undefined {
  if (text.length !== 16 || text.charCodeAt(8) !== 0x54 || text.charCodeAt(15) !== 0x5a) return undefined;
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 4);
  const day = twoDigits(text, 6);
  const hour = twoDigits(text, 9);
  const minute = twoDigits(text, 11);
  const second = twoDigits(text, 13);
  if (Number.isNaN(year + month + day + hour + minute + second)) return undefined;
  return utc(year, month, day, hour, minute, second);
}

/** `20130524T000000Z`, rounded down to the second. */
export function formatIsoBasic(ms: number): string {
  const iso = new Date(ms).toISOString();
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`;
}

/** `2013-05-24T00:00:00Z` with or without a fraction, of which milliseconds are kept. */
export function parseIsoExtended(text: string): number | undefined {
  const match = ISO_EXTENDED.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = ''] = match;
  const ms = Number(fraction.padEnd(3, '0').slice(0, 3));
  return utc(Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second), ms);
}
