/** One line of the operator's log: JSON with fixed fields, so that it can be searched and counted. */
export interface LogFields {
  readonly task?: number;
  readonly machine?: string;
  readonly stage?: string;
  readonly code?: string;
  readonly ms?: number;
  readonly [extra: string]: unknown;
}

export type Level = 'debug' | 'info' | 'warn' | 'error';

export type Log = (level: Level, message: string, fields?: LogFields) => void;

/** Writes to stderr; `app` names the process. JSON.stringify escapes control characters, so guest text cannot forge lines. */
export function createLog(
  app: string,
  write: (line: string) => void = (line) => process.stderr.write(line),
): Log {
  return (level, message, fields = {}) =>
    write(`${JSON.stringify({ time: new Date().toISOString(), level, app, message, ...fields })}\n`);
}
