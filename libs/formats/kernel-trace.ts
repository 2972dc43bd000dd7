/**
 * Reads lines of the kernel's trace_pipe: `%16s-%-7d [CPU] time: event: text`, where the text of our probes is
 * `(function+0x0/0x10) name="value" …` and that of the scheduler's events `name=value …`. The kernel quotes nothing: a
 * value may hold quotes and what looks like further fields, so everything here is a hint, not proof. Nothing throws.
 *
 * @see https://docs.kernel.org/trace/ftrace.html and https://docs.kernel.org/trace/kprobetrace.html
 */

/** Of one line. The kernel's own limit per event is a page. Characters. */
const MAX_LINE = 16_384;
/** TASK_COMM_LEN: the process name is padded to this. */
const NAME_WIDTH = 16;

export interface KernelEvent {
  /** The thread it happened in. */
  readonly pid: number;
  /** Its name then. */
  readonly comm: string;
  /** Seconds of the trace's clock, which need not be the time of day. */
  readonly time: number;
  readonly event: string;
  /** Null for memory the kernel could not read. */
  readonly fields: ReadonlyMap<string, string | null>;
}

/** An event, the number of events the kernel lost here, what to add to times (the analyzer's first line), or null. */
export function readKernelLine(
  line: string,
): KernelEvent | { readonly lost: number } | { readonly clock: number } | null {
  if (line.length > MAX_LINE) return null;
  const clock = /^# clock: \+ (\d{1,12}\.\d{1,9}) = seconds since 1970/.exec(line);
  if (clock !== null) return { clock: Number(clock[1]) };
  const lost = /^CPU:\d{1,5} \[LOST (\d{1,12}) EVENTS\]/.exec(line);
  if (lost !== null) return { lost: Number(lost[1]) };
  if (line[NAME_WIDTH] !== '-') return null;
  const head =
    /^-(\d{1,9}) {1,9}(?:\([ \d-]{1,9}\) {1,9})?\[\d{1,5}\] {1,9}(?:\S{1,9} {1,9})?(\d{1,12}\.\d{1,9}): (\w{1,64}): /.exec(
      line.slice(NAME_WIDTH, NAME_WIDTH + 160),
    );
  if (head === null) return null;
  const [whole, pid, time, event = ''] = head;
  return {
    pid: Number(pid),
    comm: line.slice(0, NAME_WIDTH).trimStart(),
    time: Number(time),
    event,
    fields: readFields(event, line.slice(NAME_WIDTH + whole.length)),
  };
}

function readFields(event: string, text: string): Map<string, string | null> {
  switch (event) {
    // Names are the sample's to choose: read the numbers from the end.
    case 'sched_process_fork':
      return numbered(text, / child_pid=(?<child_pid>\d{1,9})$/);
    case 'sched_process_exec': {
      const fields = numbered(text, / pid=(?<pid>\d{1,9}) old_pid=(?<old_pid>\d{1,9})$/);
      const end = text.lastIndexOf(' pid=');
      if (text.startsWith('filename=') && end > 0)
        fields.set('filename', text.slice('filename='.length, end));
      return fields;
    }
    default:
      return probeFields(text.startsWith('(') ? text.slice(text.indexOf(')') + 1) : text);
  }
}

function numbered(text: string, pattern: RegExp): Map<string, string | null> {
  return new Map(Object.entries(pattern.exec(text.slice(-64).trimEnd())?.groups ?? {}));
}

/** ` name=value` fields; a quoted value ends at a quote before ` name=` or at the last quote of the line. */
function probeFields(text: string): Map<string, string | null> {
  const fields = new Map<string, string | null>();
  let at = 0;
  while (at < text.length) {
    const key = /^ {0,9}(\w{1,32})=/.exec(text.slice(at, at + 48));
    if (key === null) break;
    at += key[0].length;
    const quoted = text[at] === '"';
    const end = quoted ? endOfString(text, at + 1) : text.indexOf(' ', at);
    const value = text.slice(quoted ? at + 1 : at, end === -1 ? text.length : end);
    fields.set(key[1] ?? '', value === '(fault)' ? null : value);
    if (end === -1) break;
    at = quoted ? end + 1 : end;
  }
  return fields;
}

function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    if (quote === text.length - 1 || /^ \w{1,32}=/.test(text.slice(quote + 1, quote + 40))) return quote;
  }
  return -1;
}
