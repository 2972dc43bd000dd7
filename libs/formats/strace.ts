import { scanArguments, textOf } from './strace-scan.js';

/**
 * Reads what `strace -f -ttt -o FILE` writes:
 *
 *     PID EPOCH.usec name(args) = result [ERRNO (text)]
 *     PID EPOCH.usec name(args <unfinished ...>        PID EPOCH.usec <... name resumed>args) = result
 *     PID EPOCH.usec +++ exited with N +++             PID EPOCH.usec +++ killed by SIG [(core dumped)] +++
 *     PID EPOCH.usec --- SIGCHLD {…} ---               PID EPOCH.usec +++ superseded by execve in pid N +++
 *
 * The traced program chooses every string in it, and a log from elsewhere may be forged whole: nothing here throws on
 * any input, and the cost is linear in its length.
 */

/** strace's own limit per string is far below; a longer line is not strace's. Bytes. */
const MAX_LINE_BYTES = 256 * 1024;
/** Calls begun and not ended, one per thread; more threads than this are not a Linux process tree we can follow. */
const MAX_PENDING = 32_768;

export interface StraceCall {
  readonly kind: 'call';
  readonly pid: number;
  /** Unix seconds at which the call began. */
  readonly time: number;
  readonly name: string;
  /** The arguments as printed, one character per byte: see strace-values.ts. */
  readonly args: readonly string[];
  /** First word after `= `; `?` when the call never returned. */
  readonly result: string;
  /** `ENOENT` …; '' when it did not fail. */
  readonly errno: string;
}

export type StraceEvent =
  | StraceCall
  /** A call began that ends later, as its own `call`. Its child may be seen before that. `head` is the printed part. */
  | {
      readonly kind: 'started';
      readonly pid: number;
      readonly time: number;
      readonly name: string;
      readonly head: string;
    }
  | { readonly kind: 'exited'; readonly pid: number; readonly time: number; readonly code: number }
  | { readonly kind: 'killed'; readonly pid: number; readonly time: number; readonly signal: string }
  | { readonly kind: 'signal'; readonly pid: number; readonly time: number; readonly signal: string }
  /** Thread `by` executed a program and goes on as `pid`. */
  | { readonly kind: 'superseded'; readonly pid: number; readonly time: number; readonly by: number };

interface Pending {
  readonly time: number;
  readonly name: string;
  readonly head: Buffer;
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const OPEN_PAREN = 0x28;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const LESS = 0x3c;
const EQUALS = 0x3d;
const GREATER = 0x3e;

const UNFINISHED = Buffer.from('<unfinished ...>');
const PID_CHANGED = Buffer.from('<pid changed to ');
const RESUMED = Buffer.from(' resumed>');
const EMPTY = Buffer.alloc(0);

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;
const isWord = (byte: number | undefined): boolean =>
  byte !== undefined && ((byte >= 0x61 && byte <= 0x7a) || isDigit(byte) || byte === 0x5f);
const isUpperWord = (byte: number | undefined): boolean =>
  byte !== undefined && ((byte >= 0x41 && byte <= 0x5a) || isDigit(byte) || byte === 0x5f);

/** Feed it chunks of any size, then call `finish`. Events come in the order of the log. */
export class StraceReader {
  readonly #emit: (event: StraceEvent) => void;
  readonly #pending = new Map<number, Pending>();
  /** Leader pid → the execve that a thread of it began. */
  readonly #replacing = new Map<number, Pending>();
  #parts: Buffer[] = [];
  #held = 0;
  /** Inside a line that was too long: skip to its end. */
  #skipping = false;
  /** Lines that are no part of the format, or too long. */
  unreadable = 0;
  lines = 0;

  constructor(emit: (event: StraceEvent) => void) {
    this.#emit = emit;
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      if (this.#skipping) this.#skipping = false;
      else if (this.#held === 0) this.#line(bytes, start, end);
      else this.#joined(bytes.subarray(start, end));
      start = end + 1;
    }
    if (start < bytes.length && !this.#skipping) this.#hold(bytes.subarray(start));
  }

  /** The last line may lack its newline; calls that never returned are reported with the result `?`. */
  finish(): void {
    if (this.#held > 0) this.#joined(EMPTY);
    for (const pid of [...this.#pending.keys()]) this.#abandon(pid);
  }

  #hold(rest: Buffer): void {
    this.#held += rest.length;
    if (this.#held > MAX_LINE_BYTES) {
      this.unreadable++;
      this.lines++;
      this.#skipping = true;
      this.#parts = [];
      this.#held = 0;
      return;
    }
    // Copied: the caller may reuse its buffer, and a chunk must not live as long as its last line.
    this.#parts.push(Buffer.from(rest));
  }

  #joined(rest: Buffer): void {
    const line = Buffer.concat([...this.#parts, rest]);
    this.#parts = [];
    this.#held = 0;
    this.#line(line, 0, line.length);
  }

  #line(bytes: Buffer, start: number, end: number): void {
    this.lines++;
    if (end - start > MAX_LINE_BYTES) {
      this.unreadable++;
      return;
    }
    let at = start;
    let pid = 0;
    for (; isDigit(bytes[at]) && at < start + 10; at++) pid = pid * 10 + (bytes[at] ?? 0) - 0x30;
    if (at === start || bytes[at] !== SPACE) {
      this.#noise();
      return;
    }
    while (bytes[at] === SPACE) at++;

    const timeStart = at;
    let seconds = 0;
    for (; isDigit(bytes[at]) && at < timeStart + 12; at++) seconds = seconds * 10 + (bytes[at] ?? 0) - 0x30;
    let micros = 0;
    if (at > timeStart && bytes[at] === DOT) {
      at++;
      const fraction = at;
      for (; isDigit(bytes[at]) && at < fraction + 6; at++) micros = micros * 10 + (bytes[at] ?? 0) - 0x30;
      if (at !== fraction + 6) {
        this.#noise();
        return;
      }
    }
    if (at === timeStart || bytes[at] !== SPACE) {
      this.#noise();
      return;
    }
    at++;
    if (at >= end) {
      this.#noise();
      return;
    }
    const time = (seconds * 1_000_000 + micros) / 1_000_000;

    const first = bytes[at];
    if (first === PLUS) {
      this.#ending(pid, time, bytes.toString('latin1', at, Math.min(end, at + 128)));
      return;
    }
    if (first === MINUS) {
      this.#signal(pid, time, bytes.toString('latin1', at, Math.min(end, at + 64)));
      return;
    }
    if (first === LESS) {
      this.#resumed(pid, bytes, at, end);
      return;
    }
    this.#called(pid, time, bytes, at, end);
  }

  #called(pid: number, time: number, bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (isWord(bytes[at]) && at < end) at++;
    if (at === start || bytes[at] !== OPEN_PAREN) {
      this.#noise();
      return;
    }
    const name = textOf(bytes, start, at);
    const body = at + 1;

    const cut = unfinishedAt(bytes, body, end);
    if (cut === -1) {
      this.#complete({ pid, time, name }, bytes, body, end);
      return;
    }

    // A thread that begins a call has no other one open: the log lost its end.
    if (this.#pending.has(pid)) this.#abandon(pid);
    if (this.#pending.size >= MAX_PENDING) {
      this.#noise();
      return;
    }
    const head = Buffer.from(bytes.subarray(body, cut));
    this.#pending.set(pid, { time, name, head });
    this.#emit({ kind: 'started', pid, time, name, head: head.toString('latin1') });
  }

  #resumed(pid: number, bytes: Buffer, start: number, end: number): void {
    const mark = bytes.subarray(start, Math.min(end, start + 64)).indexOf(RESUMED);
    const replacing = this.#replacing.get(pid);
    const pending = replacing ?? this.#pending.get(pid);
    if (mark === -1 || pending === undefined) {
      this.#noise();
      return;
    }
    this.#replacing.delete(pid);
    if (replacing === undefined) this.#pending.delete(pid);

    let rest = bytes.subarray(start + mark + RESUMED.length, end);
    // Killed inside the call: `<... read resumed> <unfinished ...>) = ?`.
    const again = rest.indexOf(UNFINISHED);
    if (again !== -1 && rest.subarray(0, again).every((byte) => byte === SPACE)) {
      rest = rest.subarray(again + UNFINISHED.length);
    }
    const whole = Buffer.concat([pending.head, rest]);
    // The kernel replaces a process for successful calls only, whatever strace makes of the return value.
    if (replacing !== undefined) {
      this.#emit(call({ pid, ...pending }, scanArguments(whole, 0, whole.length).args, '0', ''));
      return;
    }
    this.#complete({ pid, time: pending.time, name: pending.name }, whole, 0, whole.length);
  }

  /** `body` begins behind the opening parenthesis. */
  #complete(
    begun: { pid: number; time: number; name: string },
    bytes: Buffer,
    body: number,
    end: number,
  ): void {
    const { args, after } = scanArguments(bytes, body, end);
    let at = after;
    while (bytes[at] === SPACE && at < end) at++;
    if (after === -1 || bytes[at] !== EQUALS) {
      this.#noise();
      return;
    }
    at++;
    while (bytes[at] === SPACE && at < end) at++;
    const resultStart = at;
    while (at < end && bytes[at] !== SPACE) at++;
    const result = textOf(bytes, resultStart, at);
    const errnoStart = at + 1;
    let errnoEnd = errnoStart;
    while (errnoEnd < end && isUpperWord(bytes[errnoEnd])) errnoEnd++;
    const failed = result === '-1' || result === '?';
    this.#emit(call(begun, args, result, failed ? textOf(bytes, errnoStart, errnoEnd) : ''));
  }

  #ending(pid: number, time: number, text: string): void {
    const words = text.split(' ');
    const [, verb = '', link = ''] = words;
    if (verb === 'exited' && link === 'with') {
      this.#abandon(pid);
      this.#emit({ kind: 'exited', pid, time, code: Number.parseInt(words[3] ?? '', 10) || 0 });
      return;
    }
    if (verb === 'killed' && link === 'by') {
      this.#abandon(pid);
      this.#emit({ kind: 'killed', pid, time, signal: words[3] ?? '' });
      return;
    }
    const by = Number.parseInt(words[6] ?? '', 10);
    if (verb !== 'superseded' || !Number.isSafeInteger(by)) {
      this.#noise();
      return;
    }
    const execve = this.#pending.get(by);
    this.#pending.delete(by);
    this.#abandon(pid);
    if (execve !== undefined) this.#replacing.set(pid, execve);
    this.#emit({ kind: 'superseded', pid, time, by });
  }

  #signal(pid: number, time: number, text: string): void {
    const [dashes, signal = ''] = text.split(' ', 2);
    if (dashes !== '---') {
      this.#noise();
      return;
    }
    if (signal.startsWith('SIG')) this.#emit({ kind: 'signal', pid, time, signal });
  }

  /** The call that `pid` began will not return. */
  #abandon(pid: number): void {
    const pending = this.#pending.get(pid);
    if (pending === undefined) return;
    this.#pending.delete(pid);
    this.#emit(call({ pid, ...pending }, scanArguments(pending.head, 0, pending.head.length).args, '?', ''));
  }

  #noise(): void {
    this.unreadable++;
  }
}

function call(
  { pid, time, name }: { pid: number; time: number; name: string },
  args: readonly string[],
  result: string,
  errno: string,
): StraceCall {
  return { kind: 'call', pid, time, name, args, result, errno };
}

/** Where the text of an unfinished call ends; -1 when the line is a whole call. */
function unfinishedAt(bytes: Buffer, start: number, end: number): number {
  if (bytes[end - 1] !== GREATER) return -1;
  const tail = end - UNFINISHED.length;
  if (tail >= start && bytes.compare(UNFINISHED, 0, UNFINISHED.length, tail, end) === 0) {
    return bytes[tail - 1] === SPACE && tail > start ? tail - 1 : tail;
  }
  // `<pid changed to 123 ...>`: a thread's execve, which goes on under the leader's pid.
  const from = Math.max(start, end - 48);
  const changed = bytes.subarray(from, end).lastIndexOf(PID_CHANGED);
  return changed === -1 ? -1 : Math.max(start, from + changed - 1);
}
