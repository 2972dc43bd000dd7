import { expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { XmlDocument } from 'libxml2-wasm';
import { hostileText } from '../../../test/support/report.js';
import { spell } from '../text.js';
import { element, listElement, textElement, xmlDocument, type Element } from './xml.js';

jest.setTimeout(60_000);

function written(root: Element): string {
  return [...xmlDocument(root, 'a test')].join('');
}

/** What a parser says the text and the attribute are. */
function readBack(text: string): readonly (string | undefined)[] {
  const document = XmlDocument.fromString(written(element('a', { b: text }, textElement('c', text))));
  try {
    return [document.root.attr('b')?.value, document.get('/a/c')?.content];
  } finally {
    document.dispose();
  }
}

/** Every character that XML 1.0 cannot write, spelt out, told without a regular expression. */
function spelt(text: string): string {
  return Array.from(text, (char) => {
    const code = char.codePointAt(0) ?? 0;
    const control = code < 0x20 && !'\t\n\r'.includes(char);
    const lone = code >= 0xd800 && code <= 0xdfff;
    return control || lone || code === 0xfffe || code === 0xffff ? spell(char) : char;
  }).join('');
}

test('any text comes back from a parser as it went in, but for what XML has no way to write', () => {
  fc.assert(
    fc.property(fc.oneof(hostileText, fc.string({ unit: 'binary', maxLength: 200 })), (text) => {
      expect(readBack(text)).toEqual([spelt(text), spelt(text)]);
    }),
    { numRuns: 300 },
  );
});

test.each([
  ['\0', '\\x00'],
  ['\u001b[31m', '\\x1b[31m'],
  ['\ud800x', '\\ud800x'],
  ['\uffff', '\\uffff'],
  ['a\tb\nc\rd', 'a\tb\nc\rd'],
  [']]><!--&amp;', ']]><!--&amp;'],
  ['🙂 漢字 \u202e', '🙂 漢字 \u202e'],
])('%j is read as %j', (text, expected) => {
  expect(readBack(text)).toEqual([expected, expected]);
});

test('elements are indented, and what is absent is left out', () => {
  const root = element(
    'a',
    { b: undefined, c: 1 },
    null,
    element('d', {}),
    listElement('none', []),
    element('e', {}, textElement('f', 2)),
  );
  expect(written(root)).toBe(
    '<?xml version="1.0" encoding="UTF-8"?>\n<!-- a test -->\n<a c="1">\n  <d/>\n  <e>\n    <f>2</f>\n  </e>\n</a>\n',
  );
});
