/**
 * Breaks at spaces, and within words that are wider than a line. `text` has no line breaks. Widths of characters are
 * added up: kerning may only make a line a little shorter.
 */
export function wrap(text: string, width: number, widthOf: (char: string) => number): readonly string[] {
  const lines: string[] = [];
  let start = 0;
  let space = -1;
  let used = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? '';
    if (char === ' ') space = i;
    used += widthOf(char);
    if (used <= width || i === start) continue;
    // A space that does not fit is where the line ends; so is the last one that did.
    const end = space > start ? space : i;
    lines.push(text.slice(start, end));
    start = end === space ? end + 1 : end;
    i = start - 1;
    used = 0;
    space = -1;
  }
  lines.push(text.slice(start));
  return lines;
}
