/** One line of the operator's log: JSON with fixed fields, so that it can be searched and counted. */
export interface LogFields {
  readonly task?: number | null;
  readonly machine?: string;
  readonly stage?: string;
  readonly code?: string;
  readonly ms?: number;
  readonly [extra: string]: unknown;
}

export type Level = 'debug' | 'info' | 'warn' | 'error';

export type Log = (level: Level, message: string, fields?: LogFields) => void;

/** Writes to stderr; `app` names the process. No text in a line, whoever wrote it, can forge another or move a cursor. */
export function createLog(
  app: string,
  write: (line: string) => void = (line) => process.stderr.write(line),
): Log {
  return (level, message, fields = {}) =>
    write(
      `${harmless(JSON.stringify({ time: new Date().toISOString(), level, app, message, ...fields }))}\n`,
    );
}

/** JSON leaves two kinds of characters that a terminal acts on: C1 controls, and those that turn the writing direction. */
function harmless(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
