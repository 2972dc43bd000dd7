const NAMES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A character written out where it must not, or cannot, stand itself: `\n`, `\x1b`, `\u202e`, `\u{1f600}`. */
export function spell(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code > 0xffff) return `\\u{${hex}}`;
  return NAMES[char] ?? (code <= 0xff ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`);
}

/** The beginning of a text, and how long it really is; half a character is never left. */
export function clip(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit).replace(/[\ud800-\udbff]$/, '')}… (${text.length} characters)`;
}

/** Unix seconds as `YYYY-MM-DDTHH:MM:SS.mmmZ`; undefined when unknown (0) or no date. */
export function timestamp(seconds: number): string | undefined {
  const date = new Date(seconds * 1000);
  return seconds === 0 || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
