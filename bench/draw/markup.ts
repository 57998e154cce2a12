/**
 * HTML and SVG as text that cannot be broken out of: a template escapes whatever is put into it, unless that came out of a template
 * itself. Hardest decision: what is safe is a class of its own and not a string, so that forgetting to escape is not possible and
 * no value read from a file can pass for markup. Pure.
 */

/** Text that is markup already. */
export class Markup {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** `undefined` and `false` show nothing; lists are put one after the other. */
export type Shown = Markup | string | number | undefined | false | readonly Shown[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For text and for attributes in quotes. What no XML may have (control characters, half characters) becomes U+FFFD. */
export function escaped(text: string): string {
  return (
    text
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '\ufffd')
      .replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
  );
}

function textOf(value: Shown): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Markup) return value.toString();
  if (typeof value === 'object') return value.map(textOf).join('');
  return escaped(String(value));
}

/** Tag of a template: `` markup`<td>${cell}</td>` ``. Attributes need quotes around them. */
export function markup(strings: TemplateStringsArray, ...values: readonly Shown[]): Markup {
  return new Markup(strings.reduce((text, part, i) => text + textOf(values[i - 1]) + part));
}

/** A coordinate: tenths are finer than a screen. What has no place is at 0. */
export function px(value: number): string {
  if (!Number.isFinite(value)) return '0';
  return String(Math.round(value * 10) / 10);
}
