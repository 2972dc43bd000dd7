import { SandboxError } from '#domain/errors.js';
import { Findings } from './findings.js';
import { keyOf, parseIni } from './ini.js';

/** One line with its end, so that all lines joined are the text again. */
interface Line {
  readonly content: string;
  /** "\n", "\r\n", "\r", or nothing at the end of the text. */
  readonly end: string;
}

/**
 * Sets one key of a .conf file and leaves every other byte as it is. A key that is there keeps its line and the comment
 * behind it; a new one stands below its commented-out default, else below the last key of its section; a section that is
 * not there comes last.
 *
 * @throws BAD_REQUEST when the file could not hold the value
 */
export function setKey(text: string, section: string, key: string, value: string): string {
  const lines = split(text);
  const at = findLast(lines, section, (line) => isKey(line, key));
  const written = escape(value);
  if (at !== null) {
    const line = lines[at] ?? NO_LINE;
    lines[at] = { ...line, content: withValue(line.content, written) };
  } else insertKey(lines, section, `${key} =${written === '' ? '' : ` ${written}`}`);
  return checked(join(lines), section, key, value);
}

/** Gives a key another name. Unchanged when it is not there. */
export function renameKey(text: string, section: string, key: string, to: string): string {
  const lines = split(text);
  for (const at of positions(lines, section, (line) => isKey(line, key))) {
    const { content, end } = lines[at] ?? NO_LINE;
    const indent = /^\s*/.exec(content)?.[0] ?? '';
    const after = content.slice(indent.length).search(/\s*[:=]/);
    lines[at] = { content: indent + to + content.slice(indent.length + after), end };
  }
  return join(lines);
}

/** Gives a section another name, wherever its header stands. Unchanged when it is not there. */
export function renameSection(text: string, section: string, to: string): string {
  const lines = split(text).map((line) =>
    headerOf(line) === section
      ? { ...line, content: line.content.replace(`[${section}]`, () => `[${to}]`) }
      : line,
  );
  return join(lines);
}

/** Makes comments of the lines that set a key: `# <why>: <the line>`. */
export function commentOut(text: string, section: string, key: string, why: string): string {
  const lines = split(text);
  for (const at of positions(lines, section, (line) => isKey(line, key))) {
    const { content, end } = lines[at] ?? NO_LINE;
    lines[at] = { content: `# ${why}: ${content}`, end };
  }
  return join(lines);
}

/** @throws BAD_REQUEST when the section is there, or the file could not hold a name or value */
export function addSection(
  text: string,
  section: string,
  keys: readonly (readonly [string, string])[],
): string {
  if (hasSection(text, section))
    throw new SandboxError('BAD_REQUEST', `there is a section [${section}] already`);
  if (!/^[^\]\r\n]+$/.test(section))
    throw new SandboxError('BAD_REQUEST', `a section cannot be named ${JSON.stringify(section)}`);
  const lines = split(text);
  appendSection(lines, section);
  return keys.reduce((made, [key, value]) => setKey(made, section, key, value), join(lines));
}

/**
 * Takes a section out, from its header to the next one; comments right above the next header stay. Unchanged when it is
 * not there.
 */
export function removeSection(text: string, section: string): string {
  let lines = split(text);
  for (;;) {
    const from = lines.findIndex((line) => headerOf(line) === section);
    if (from < 0) return join(lines);
    const after = lines.findIndex((line, at) => at > from && headerOf(line) !== null);
    const [first, last] = after < 0 ? [from, lines.length] : [from, after];
    let end = last;
    if (after >= 0) while (end - 1 > first && isComment(lines[end - 1])) end -= 1;
    // Nothing but comments between two headers: they are of the section that goes.
    const start = after < 0 && first > 0 && isBlank(lines[first - 1]) ? first - 1 : first;
    lines = [...lines.slice(0, start), ...lines.slice(end)];
  }
}

export function hasSection(text: string, section: string): boolean {
  return split(text).some((line) => headerOf(line) === section);
}

const NO_LINE: Line = { content: '', end: '' };

function split(text: string): Line[] {
  return [...text.matchAll(/([^\r\n]*)(\r\n|\n|\r|$)/g)]
    .map(([, content = '', end = '']) => ({ content, end }))
    .filter(({ content, end }) => content !== '' || end !== '');
}

function join(lines: readonly Line[]): string {
  return lines.map(({ content, end }) => content + end).join('');
}

function isBlank(line: Line | undefined): boolean {
  return line !== undefined && trimmed(line) === '';
}

function isComment(line: Line | undefined): boolean {
  return line !== undefined && /^[#;]/.test(trimmed(line));
}

/** A byte order mark is no part of the first line. */
function trimmed({ content }: Line): string {
  return content.replace(/^\uFEFF/, '').trim();
}

function headerOf(line: Line): string | null {
  return /^\[([^\]]+)\]/.exec(trimmed(line))?.[1] ?? null;
}

function isKey(line: Line, key: string): boolean {
  return !isComment(line) && headerOf(line) === null && keyOf(trimmed(line)).key === key.toLowerCase();
}

/** The lines of a section, wherever its header stands, that are as asked for. */
function positions(lines: readonly Line[], section: string, wanted: (line: Line) => boolean): number[] {
  let current: string | null = null;
  return lines.flatMap((line, at) => {
    const header = headerOf(line);
    if (header !== null) current = header;
    return current === section && header === null && wanted(line) ? [at] : [];
  });
}

function findLast(lines: readonly Line[], section: string, wanted: (line: Line) => boolean): number | null {
  return positions(lines, section, wanted).at(-1) ?? null;
}

/** `key : old ; comment` with another value. */
function withValue(content: string, value: string): string {
  const [, before = '', old = ''] = /^([^:=]*[:=])(.*)$/s.exec(content) ?? [];
  const comment = /\s+;.*$/s.exec(old)?.[0] ?? '';
  const plain = old.slice(0, old.length - comment.length);
  const lead = /^\s*/.exec(plain)?.[0] ?? '';
  const tail = plain.trim() === '' ? '' : (/\s*$/.exec(plain)?.[0] ?? '');
  const gap = plain.trim() === '' ? ' ' : lead;
  return value === '' ? `${before}${comment}` : `${before}${gap}${value}${tail}${comment}`;
}

function insertKey(lines: Line[], section: string, content: string): void {
  const key = keyOf(content).key;
  const commented = (line: Line): boolean =>
    isComment(line) && keyOf(trimmed(line).replace(/^[#;]+\s*/, '')).key === key;
  const headers = lines.flatMap((line, at) => (headerOf(line) === section ? [at] : []));
  const header = headers.at(-1);
  if (header === undefined) appendSection(lines, section);
  const at =
    findLast(lines, section, commented) ??
    findLast(lines, section, (line) => !isBlank(line) && !isComment(line)) ??
    header ??
    lines.length - 1;
  const above = lines[at] ?? NO_LINE;
  const end = above.end === '' ? lineEnd(lines) : above.end;
  lines[at] = { ...above, end };
  lines.splice(at + 1, 0, { content, end: above.end === '' ? '' : end });
}

function appendSection(lines: Line[], section: string): void {
  const end = lineEnd(lines);
  const last = lines.at(-1);
  if (last !== undefined) {
    lines[lines.length - 1] = { ...last, end: last.end === '' ? end : last.end };
    lines.push({ content: '', end });
  }
  lines.push({ content: `[${section}]`, end });
}

function lineEnd(lines: readonly Line[]): string {
  return lines.find(({ end }) => end !== '')?.end ?? '\n';
}

/** `%(` and `%%` would be read as something else. */
function escape(value: string): string {
  return /%[%(]/.test(value) ? value.replaceAll('%', '%%') : value;
}

/** Reads the file again: what was written must be what is read. */
function checked(text: string, section: string, key: string, value: string): string {
  const found = parseIni({ file: '', text }, new Findings(), EVERY_VARIABLE).entries.find(
    (entry) => entry.section === section && entry.key === key.toLowerCase(),
  );
  if (found?.value === value) return text;
  throw new SandboxError(
    'BAD_REQUEST',
    `[${section}] ${key} = ${JSON.stringify(value)}: a .conf file cannot hold that; a value is one line, without a space at its ends, and " ;" begins a comment`,
  );
}

/** Other lines may use any variable. */
const EVERY_VARIABLE: ReadonlyMap<string, string> = new (class extends Map<string, string> {
  override has(): boolean {
    return true;
  }
})();
