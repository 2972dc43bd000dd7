import { SandboxError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import { formatOptions, parseOptions, type Task } from '#domain/task.js';
import { wallClock } from './guest-clock.js';

/** One value of analysis.conf; a Date is written as the guest's clock. */
export type ConfValue = string | number | boolean | Date;

/**
 * Text of analysis.conf: one section, `key = value` lines joined by LF. The format has no escape, so a value that
 * could end its line is refused: it would add keys. That is CR and LF, and what Python's splitlines() takes for one.
 *
 * @throws BAD_REQUEST naming the key
 * @see spec protocols.md §3.1, §3.4
 */
export function formatConf(fields: Readonly<Record<string, ConfValue>>): string {
  const lines = Object.entries(fields).map(([key, value]) => {
    const text = formatValue(value);
    if (!/^[a-z][a-z0-9_]*$/.test(key) || ENDS_LINE.test(text)) {
      throw new SandboxError('BAD_REQUEST', `${key} cannot be handed to the guest: ${quoted(text)}`);
    }
    return `${key} = ${text}`;
  });
  return ['[analysis]', ...lines].join('\n');
}

/** Every control character, and the two separators of Unicode. */
const ENDS_LINE = /[\p{Cc}\u2028\u2029]/u;

function formatValue(value: ConfValue): string {
  if (value instanceof Date) return formatClock(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return String(value);
}

/** `YYYYMMDDTHH:MM:SS`, local: analyzers set it as the guest's local time. */
function formatClock(clock: Date): string {
  return wallClock(clock).toISOString().slice(0, 19).replaceAll('-', '');
}

export interface ConfInput {
  readonly task: Task;
  /** Safe name of the sample in the guest; null for a URL. */
  readonly fileName: string | null;
  /** As the guest sees it. */
  readonly resultServer: { readonly ip: string; readonly port: number };
  readonly timeoutSeconds: number;
  readonly clock: Date;
  /** Bytes of one dropped file that the analyzer uploads. */
  readonly uploadMaxSize?: number;
}

/**
 * The fields Cuckoo 2 sends (spec protocols.md §3.2), read by its analyzers and by ours. `target` of a file is its
 * name: the path on the host is none of the guest's business, and no analyzer reads it.
 */
export function analysisConf(input: ConfInput): string {
  const { task, fileName, resultServer, uploadMaxSize } = input;
  const options = new Map(parseOptions(task.options));
  const isFile = task.category === 'file' && fileName !== null;
  // Cuckoo's Android analyzer takes the option for granted; ":" is what any other file gets.
  if (isFile && !options.has('apk_entry')) options.set('apk_entry', ':');
  return formatConf({
    category: task.category,
    target: fileName ?? task.target,
    package: task.package ?? '',
    ...(fileName !== null && { file_name: fileName }),
    // Of an archive the member that the option `filename` names is run, which nobody has looked into.
    ...(isFile && { file_type: fileType(task), pe_exports: '' }),
    clock: input.clock,
    id: task.id,
    terminate_processes: false,
    options: formatOptions(options) ?? '',
    enforce_timeout: task.enforceTimeout,
    timeout: input.timeoutSeconds,
    ip: resultServer.ip,
    port: resultServer.port,
    ...(uploadMaxSize !== undefined && { upload_max_size: uploadMaxSize }),
  });
}

/** libmagic repeats text of the file: what would end the line is left out, rather than the sample refused. */
function fileType(task: Task): string {
  return (task.sample?.fileType ?? '').replaceAll(new RegExp(ENDS_LINE, 'gu'), ' ');
}
