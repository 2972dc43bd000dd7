import { spell } from '../text.js';

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Holds text or elements, never both: space for indentation would become part of the text. */
export interface Element {
  readonly name: string;
  readonly attributes: Attributes;
  readonly content: string | readonly Element[];
}

/** Names are our own words, values may be anything. What is null or undefined is left out. */
export function element(
  name: string,
  attributes: Attributes,
  ...children: readonly (Element | null)[]
): Element {
  return { name, attributes, content: children.filter((child) => child !== null) };
}

export function textElement(name: string, text: string | number, attributes: Attributes = {}): Element {
  return { name, attributes, content: String(text) };
}

/** An element around these, nothing when there are none. */
export function listElement(name: string, children: readonly Element[]): Element | null {
  return children.length === 0 ? null : element(name, {}, ...children);
}

/**
 * What XML 1.0 has no way to write, not even as a reference.
 *
 * @see https://www.w3.org/TR/xml/#charsets
 */
const FORBIDDEN = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  // Parsers make spaces of these in attributes, and line feeds of carriage returns everywhere.
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

function escapeText(text: string): string {
  return text.replace(FORBIDDEN, spell).replace(/[&<>\r]/g, (char) => ENTITIES[char] ?? '');
}

function escapeAttribute(text: string): string {
  return text.replace(FORBIDDEN, spell).replace(/[&<>"\t\n\r]/g, (char) => ENTITIES[char] ?? '');
}

const INDENT = '  ';

function start({ name, attributes }: Element, depth: number): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escapeAttribute(String(value))}"`);
  return `${INDENT.repeat(depth)}<${name}${written.join('')}`;
}

/** Levels handed on piece by piece; what is deeper is small enough for one string each. */
const STREAMED = 3;

function* pieces(node: Element, depth: number): Generator<string> {
  const { name, content } = node;
  if (typeof content === 'string') {
    yield `${start(node, depth)}>${escapeText(content)}</${name}>\n`;
  } else if (content.length === 0) {
    yield `${start(node, depth)}/>\n`;
  } else if (depth < STREAMED) {
    yield `${start(node, depth)}>\n`;
    for (const child of content) yield* pieces(child, depth + 1);
    yield `${INDENT.repeat(depth)}</${name}>\n`;
  } else {
    const inner = content.map((child) => [...pieces(child, depth + 1)].join(''));
    yield `${start(node, depth)}>\n${inner.join('')}${INDENT.repeat(depth)}</${name}>\n`;
  }
}

/** A whole document. `comment` is our own text. */
export function* xmlDocument(root: Element, comment: string): Generator<string> {
  yield `<?xml version="1.0" encoding="UTF-8"?>\n<!-- ${comment} -->\n`;
  yield* pieces(root, 0);
}
