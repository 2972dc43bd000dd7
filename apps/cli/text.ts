type Style = (text: string) => string;

const plain: Style = (text) => text;
const ansi =
  (code: number): Style =>
  (text) =>
    `\u001b[${code}m${text}\u001b[0m`;

/** Colours only for people: a terminal that has not asked to be spared (https://no-color.org). */
export function styles(
  stream: NodeJS.WriteStream = process.stdout,
): Record<'bold' | 'dim' | 'red' | 'yellow' | 'green', Style> {
  const on = stream.isTTY && process.env['NO_COLOR'] === undefined;
  const style = (code: number): Style => (on ? ansi(code) : plain);
  return { bold: style(1), dim: style(2), red: style(31), yellow: style(33), green: style(32) };
}

const UNSAFE =
  // eslint-disable-next-line no-control-regex -- finding control characters is the purpose
  /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/**
 * One line of anybody's text, made harmless for a terminal: control characters (escape sequences begin with one) and
 * characters that turn the writing direction are shown as \u escapes. Style it afterwards.
 */
export function visible(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The same for text of several lines. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n');
}
