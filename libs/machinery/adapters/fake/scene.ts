import { createHash } from 'node:crypto';
import type { AnalysisRequest } from './analysis-request.js';

/** What a scripted guest tells of one run, before the sample has ended and after. */
export interface Scene {
  /** Lines of strace's log; empty for guests that have no strace. */
  readonly traceBefore: string;
  readonly traceAfter: (endedAt: number) => string;
  readonly dropped: { readonly path: string; readonly content: Buffer; readonly pid: number };
}

/** What a shell script may run; each changes nothing. */
const PROGRAMS = [
  ['uname', '-a'],
  ['id'],
  ['hostname'],
  ['date'],
  ['df', '-h'],
  ['ls', '-la', '/home'],
  ['cat', '/etc/os-release'],
  ['ps', 'aux'],
] as const;

/** Between two calls, seconds. */
const STEP = 0.0004;
const ADDRESS = '0x7ffd1c0a5b60 /* 14 vars */';

/**
 * The run as it is told: the same sample does the same each time, another one something else. `at` is Unix seconds of
 * the guest's clock. All of it is made up, and the dropped file says so.
 */
export function scene({ config, sample }: AnalysisRequest, platform: string, at: number): Scene {
  const url = sample === null ? (config.get('target') ?? '') : null;
  const seed = createHash('sha256')
    .update(url ?? sample?.sha256 ?? '')
    .digest();
  const pid = 700 + seed.readUInt8(0);
  const name = `.X${seed.toString('hex', 1, 5)}-lock`;
  const content = Buffer.from(
    `A scripted guest made this file; no sample ran.\n${sample === null ? `url ${url ?? ''}` : `sample sha256 ${sample.sha256}`}\n`,
  );
  const dropped = { path: `/tmp/${name}`, content, pid };
  if (platform !== 'linux') return { traceBefore: '', traceAfter: () => '', dropped };

  const trace = new Trace(at);
  const argv = url === null ? [`/tmp/${sample?.name ?? ''}`] : ['curl', '-o', '/tmp/download', '--', url];
  trace.starts(pid, url === null ? `/tmp/${sample?.name ?? ''}` : '/usr/bin/curl', argv);
  trace.calls(pid, 'chdir("/tmp") = 0');
  trace.calls(pid, 'openat(AT_FDCWD, "/etc/hostname", O_RDONLY) = 3');
  trace.calls(pid, `openat(AT_FDCWD, ${quote(name)}, O_WRONLY|O_CREAT|O_TRUNC, 0644) = 3`);
  const children = 1 + (seed.readUInt8(5) % 3);
  for (let child = 1; child <= children; child += 1) {
    const program = PROGRAMS[seed.readUInt8(5 + child) % PROGRAMS.length] ?? PROGRAMS[0];
    trace.spawns(pid, pid + child, program);
  }
  const traceAfter = (endedAt: number): string => {
    const end = new Trace(Math.max(endedAt, trace.time));
    end.exits(pid);
    return end.text;
  };
  return { traceBefore: trace.text, traceAfter, dropped };
}

/** Lines as `strace -f -ttt` writes them (analyzer-guest/README.md, "The two traces"). */
class Trace {
  text = '';

  /** @param time of the last line, Unix seconds */
  constructor(public time: number) {}

  calls(pid: number, call: string): void {
    this.text += `${pid} ${(this.time += STEP).toFixed(6)} ${call}\n`;
  }

  starts(pid: number, path: string, argv: readonly string[]): void {
    this.calls(pid, `execve(${quote(path)}, [${argv.map(quote).join(', ')}], ${ADDRESS}) = 0`);
    this.calls(pid, 'openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3');
    this.calls(pid, 'openat(AT_FDCWD, "/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY|O_CLOEXEC) = 3');
  }

  spawns(pid: number, child: number, argv: readonly string[]): void {
    this.calls(pid, 'vfork( <unfinished ...>');
    this.starts(child, `/usr/bin/${argv[0] ?? ''}`, argv);
    this.calls(pid, `<... vfork resumed>) = ${child}`);
    this.calls(pid, 'wait4(-1,  <unfinished ...>');
    this.exits(child);
    this.calls(pid, `<... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = ${child}`);
  }

  exits(pid: number): void {
    this.calls(pid, 'exit_group(0) = ?');
    this.calls(pid, '+++ exited with 0 +++');
  }
}

/** As strace quotes: bytes that are not printable ASCII in octal. */
function quote(text: string): string {
  const bytes = Buffer.from(text).toString('latin1');
  const escaped = bytes.replaceAll(/["\\]|[^\x20-\x7e]/g, (char) =>
    char === '"' || char === '\\' ? `\\${char}` : `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
  return `"${escaped}"`;
}
