import type { Report } from '#domain/report.js';
import type { ReportFormat } from '../format.js';

/** Cuckoo's default. */
const INDENT = 4;
/** Deeper lines are indented no further: a guest's chain of ten thousand processes must not cost spaces squared. */
const MAX_INDENT = 24;
/** Characters gathered before a piece is handed on. */
const PIECE = 64 * 1024;

interface Frame {
  readonly keys: readonly string[] | null;
  readonly values: readonly unknown[];
  next: number;
  readonly close: string;
}

function frame(value: object): Frame {
  if (Array.isArray(value)) return { keys: null, values: value as unknown[], next: 0, close: ']' };
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return {
    keys: entries.map(([key]) => key),
    values: entries.map(([, each]) => each as unknown),
    next: 0,
    close: '}',
  };
}

function lineStart(depth: number, indent: number): string {
  return `\n${' '.repeat(indent * Math.min(depth, MAX_INDENT))}`;
}

/**
 * The same text as `JSON.stringify(value, null, indent)` up to the bound on indentation, in pieces and without recursion:
 * neither the number of calls nor the depth of the process tree matters. For plain data.
 */
export function* jsonPieces(value: unknown, indent = INDENT): Generator<string> {
  let piece = '';
  const stack: Frame[] = [];

  const put = (each: unknown): void => {
    if (typeof each !== 'object' || each === null) {
      piece += (JSON.stringify(each) as string | undefined) ?? 'null';
      return;
    }
    const opened = frame(each);
    if (opened.values.length === 0) piece += opened.keys === null ? '[]' : '{}';
    else {
      piece += opened.keys === null ? '[' : '{';
      stack.push(opened);
    }
  };

  put(value);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    if (top.next === top.values.length) {
      stack.pop();
      piece += lineStart(stack.length, indent) + top.close;
    } else {
      const index = top.next++;
      piece += (index === 0 ? '' : ',') + lineStart(stack.length, indent);
      if (top.keys !== null) piece += `${JSON.stringify(top.keys[index])}: `;
      put(top.values[index]);
    }
    if (piece.length >= PIECE) {
      yield piece;
      piece = '';
    }
  }
  yield `${piece}\n`;
}

export interface JsonOptions {
  /** Spaces a level is indented by. */
  readonly indent: number;
  /** Have each process its calls? */
  readonly calls: boolean;
}

export function jsonFormat({ indent, calls }: JsonOptions): ReportFormat {
  return {
    extension: 'json',
    render: (report) => jsonPieces(calls ? report : withoutCalls(report), indent),
  };
}

export const json: ReportFormat = jsonFormat({ indent: INDENT, calls: true });

function withoutCalls(report: Report): Report {
  if (report.behavior === undefined) return report;
  const processes = report.behavior.processes.map((process) => ({ ...process, calls: [] }));
  return { ...report, behavior: { ...report.behavior, processes } };
}
