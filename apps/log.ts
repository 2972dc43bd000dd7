/** One line of the operator's log: JSON with fixed fields, so that it can be searched and counted. docs/howto/observe.md has them. */
export interface LogFields {
  readonly task?: number | null;
  readonly machine?: string;
  readonly stage?: string;
  readonly code?: string;
  readonly ms?: number;
  /** The worker's name, and its host: in every line of a process whose lines may meet others'. */
  readonly worker?: string;
  readonly host?: string;
  readonly [extra: string]: unknown;
}

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

export type Log = (level: Level, message: string, fields?: LogFields) => void;

export interface LogOptions {
  /** In each of its lines. */
  readonly fields?: LogFields;
  /** Lines below it are left out. Default: $MALKOHA_LOG, else `debug`. */
  readonly least?: Level;
  readonly write?: (line: string) => void;
}

/** Writes to stderr; `app` names the process. No text in a line, whoever wrote it, can forge another or move a cursor. */
export function createLog(app: string, options: LogOptions = {}): Log {
  const { fields: own, write = toStderr } = options;
  const least = LEVELS.indexOf(options.least ?? levelOf(process.env['MALKOHA_LOG']));
  return (level, message, fields = {}) => {
    if (LEVELS.indexOf(level) < least) return;
    const line = { time: new Date().toISOString(), level, app, message, ...own, ...fields };
    write(`${harmless(JSON.stringify(line))}\n`);
  };
}

let gathered = '';

/** A busy worker writes thousands of lines a second: those of one turn of the event loop go out together. */
function toStderr(line: string): void {
  if (gathered === '') setImmediate(flush);
  gathered += line;
}

function flush(): void {
  if (gathered !== '') process.stderr.write(gathered);
  gathered = '';
}
process.on('exit', flush);

/** What is no level hides nothing. */
function levelOf(text = ''): Level {
  return LEVELS.find((level) => level === text.toLowerCase()) ?? 'debug';
}

/** JSON leaves two kinds of characters that a terminal acts on: C1 controls, and those that turn the writing direction. */
function harmless(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
