/** Levels of an answer: a status or a task of any node has less than ten. */
export const DEEPEST = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** undefined when it is none, or deeper than anybody needs: what walks over it later calls itself for each level. */
export function parseJson(text: string): unknown {
  if (isDeep(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Has it, as JSON, more than DEEPEST objects and arrays within each other? */
export function isDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) inString = !inString;
    else if (inString) at += code === BACKSLASH ? 1 : 0;
    else if (code === 0x7b || code === 0x5b) depth += 1;
    else if (code === 0x7d || code === 0x5d) depth -= 1;
    if (depth > DEEPEST) return true;
  }
  return false;
}
