/**
 * Reads an XML document into a small tree of elements. Promises: a document type (and so every entity bomb and external entity),
 * anything that is not well-formed, and anything beyond the bounds is a MalformedXML error that stops the parser at once.
 *
 * Hardest decision: namespaces and attributes are dropped, and prefixes cut off, since clients of S3 send its namespace, another
 * one or none, and no element of a request means two things.
 */
import { SaxesParser } from 'saxes';
import { GatewayError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';

export interface XmlElement {
  /** Without prefix. */
  readonly name: string;
  /** Text of an element without children, exactly; empty for one with children. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

interface OpenElement {
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
}

export function malformedXml(why: string, cause?: unknown): GatewayError {
  return new GatewayError('MalformedXML', `The XML is not what this request takes: ${why}.`, { cause });
}

function decodeUtf8(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (cause) {
    throw malformedXml('it is not UTF-8', cause);
  }
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

/**
 * @param rootName what the document must be
 * @throws GatewayError MalformedXML
 */
export function readXml(body: Buffer, rootName: string, bytesMax: number): XmlElement {
  if (body.length > bytesMax) throw malformedXml(`it has ${body.length} bytes, at most ${bytesMax} are allowed`);
  const builder = new TreeBuilder();
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw malformedXml(error.message.slice(0, 120), error);
  });
  parser.on('doctype', () => {
    throw malformedXml('it has a document type');
  });
  parser.on('xmldecl', ({ encoding }) => {
    if (encoding !== undefined && !/^(?:utf-8|us-ascii)$/i.test(encoding))
      throw malformedXml(`its encoding is "${encoding.slice(0, 20)}"`);
  });
  parser.on('opentag', ({ name }) => builder.open(localName(name)));
  parser.on('text', (text) => builder.text(text));
  parser.on('cdata', (text) => builder.text(text));
  parser.on('closetag', () => builder.close());
  parser.write(decodeUtf8(body)).close();
  const { root } = builder;
  if (root === undefined || root.name !== rootName) throw malformedXml(`the root element is not ${rootName}`);
  return root;
}

class TreeBuilder {
  root: XmlElement | undefined;
  readonly #open: OpenElement[] = [];
  #count = 0;

  open(name: string): void {
    this.#count += 1;
    if (this.#count > LIMITS.xmlElementsMax) throw malformedXml(`it has more than ${LIMITS.xmlElementsMax} elements`);
    if (this.#open.length >= LIMITS.xmlDepthMax)
      throw malformedXml(`its elements are nested deeper than ${LIMITS.xmlDepthMax}`);
    this.#open.push({ name, text: '', children: [] });
  }

  text(text: string): void {
    const current = this.#open.at(-1);
    if (current !== undefined) current.text += text;
  }

  close(): void {
    const done = this.#open.pop();
    if (done === undefined) return;
    if (done.children.length > 0) {
      if (done.text.trim().length > 0) throw malformedXml(`${done.name.slice(0, 40)} holds text beside elements`);
      done.text = '';
    }
    const parent = this.#open.at(-1);
    if (parent === undefined) this.root = done;
    else parent.children.push(done);
  }
}

/** Every child of a name. */
export function childrenOf(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

/**
 * Text of the one child of a name; `undefined` when there is none.
 *
 * @throws GatewayError MalformedXML when there are several, or it has children
 */
export function optionalText(element: XmlElement, name: string): string | undefined {
  let found: XmlElement | undefined;
  for (const child of element.children) {
    if (child.name !== name) continue;
    if (found !== undefined) throw malformedXml(`${element.name} has more than one ${name}`);
    if (child.children.length > 0) throw malformedXml(`${name} holds elements`);
    found = child;
  }
  return found?.text;
}

/** @throws GatewayError MalformedXML */
export function requiredText(element: XmlElement, name: string): string {
  const text = optionalText(element, name);
  if (text === undefined) throw malformedXml(`${element.name} has no ${name}`);
  return text;
}

/** @throws GatewayError MalformedXML when an element has a child outside the list */
export function requireOnly(element: XmlElement, names: ReadonlySet<string>): void {
  for (const child of element.children) {
    if (!names.has(child.name)) throw malformedXml(`${child.name.slice(0, 40)} is not an element of ${element.name}`);
  }
}
