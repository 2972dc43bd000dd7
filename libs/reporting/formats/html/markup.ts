import { spell } from '../../text.js';

/** HTML that is safe to show: made by `html`, which escapes everything that is not such a value itself. */
export class Markup {
  constructor(readonly text: string) {}
}

/** Our own line break inside <pre>; a guest's is written out as \\n. */
export const NEWLINE = new Markup('\n');

export type Part = string | number | Markup | readonly Part[] | null;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * What does not show, or makes its neighbours show elsewhere: C0, C1, soft hyphen, zero-width characters, bidirectional
 * controls, line separators, tags, variation selectors, private use, lone surrogates, fillers.
 */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}]+/gu;
function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? '');
}

/** Escaped, and with what does not show written out, so that no text can hide or turn around another. */
function show(text: string): string {
  let result = '';
  let last = 0;
  for (const match of text.matchAll(INVISIBLE)) {
    result += escapeText(text.slice(last, match.index));
    result += `<i>${Array.from(match[0], spell).join('')}</i>`;
    last = match.index + match[0].length;
  }
  return result + escapeText(text.slice(last));
}

function render(part: Part): string {
  if (part === null) return '';
  if (part instanceof Markup) return part.text;
  if (typeof part === 'number') return String(part);
  return typeof part === 'string' ? show(part) : part.map(render).join('');
}

/** A template whose values are escaped. Guest text belongs between tags, never inside one. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Markup {
  return new Markup(strings.reduce((text, string, i) => text + render(values[i - 1] ?? null) + string));
}

/** Code units of one text in a list. */
export const TEXT = 300;

/** The beginning of a text and how long it really is. */
export function cut(text: string, limit: number = TEXT): Part {
  if (text.length <= limit) return text;
  return [text.slice(0, limit), html`<small class="cut">… ${text.length} characters</small>`];
}
