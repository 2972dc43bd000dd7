import { spell } from '../../text.js';

/**
 * What each of the document's fonts draws, one glyph a character, from left to right: Latin, Greek, Cyrillic, common
 * punctuation, arrows, boxes. Everything else is spelt out: invisible and bidirectional characters could
 * hide or turn around a text, marks pile up over the next line, and scripts the fonts lack would be empty boxes.
 */
const DRAWN =
  /[\u0020-\u007e\u00a1-\u00ac\u00ae-\u01c3\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03ce\u0400-\u045f\u0490-\u049b\u2010-\u2023\u2026\u2030-\u2037\u2039\u203a\u20ac\u2190-\u2213\u2500-\u25ff]/;
const OTHER = new RegExp(`[^${DRAWN.source.slice(1, -1)}]`, 'gu');

/** A text that looks like what it is. */
export function printable(text: string): string {
  return text.normalize('NFC').replace(OTHER, spell);
}
