/**
 * Text of an XML document that we write. Promises: whatever goes in as text comes out of a parser as the same text, and cannot
 * open an element.
 *
 * Hardest decision: XML 1.0 cannot hold most control characters at all, and object keys can. They are written as character
 * references, as S3 does: a strict parser then refuses the answer, which is better than a key that silently became another.
 * Clients avoid both with `encoding-type=url`.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it must find.
const SPECIAL = /[&<>"'\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\ufffe\uffff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it must replace.
const EVERY_SPECIAL = /[&<>"'\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\ufffe\uffff]/g;

const NAMED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Text for element content or a quoted attribute. Lone surrogates, which no key holds, become U+FFFD. */
export function escapeXml(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  if (!SPECIAL.test(wellFormed)) return wellFormed;
  return wellFormed.replace(
    EVERY_SPECIAL,
    (char) => NAMED[char] ?? `&#x${char.charCodeAt(0).toString(16).toUpperCase()};`,
  );
}

/** `<name>text</name>`, or nothing at all for `undefined`. */
export function element(name: string, value: string | number | boolean | undefined): string {
  if (value === undefined) return '';
  return `<${name}>${typeof value === 'string' ? escapeXml(value) : value}</${name}>`;
}

/** `<name>` around content that is XML already. */
export function wrap(name: string, xml: string): string {
  return `<${name}>${xml}</${name}>`;
}

/** `2009-10-12T17:50:30.000Z` */
export function isoTime(name: string, ms: number): string {
  return `<${name}>${new Date(ms).toISOString()}</${name}>`;
}

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** A whole document whose root is in the namespace of S3. */
export function s3Document(root: string, xml: string): string {
  return `${DECLARATION}<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${xml}</${root}>`;
}

/** A whole document without a namespace: errors and answers to browser forms. */
export function plainDocument(root: string, xml: string): string {
  return `${DECLARATION}<${root}>${xml}</${root}>`;
}
