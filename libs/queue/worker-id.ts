import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** `<host>/<pid>/<start time>/<name>`: names one process for ever, since the kernel gives pids again; the name stays. */
export function workerId(name: string): string {
  return `${hostname()}/${process.pid}/${startTime(process.pid) ?? 0}/${name}`;
}

export function workerName(id: string): string {
  return id.split('/')[3] ?? '';
}

/** True when the worker was on this host and its process has ended; of other hosts' workers nothing is known. */
export function workerIsGone(id: string): boolean {
  const [host, pid, started] = id.split('/');
  if (host !== hostname()) return false;
  const now = startTime(Number(pid));
  return now === null || String(now) !== started;
}

/**
 * When a process began, in clock ticks since boot; null when there is none, or only its zombie.
 * @see proc(5), /proc/pid/stat field 22
 */
export function startTime(pid: number): number | null {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The second field is the program's name in brackets and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? null : Number(fields[19]);
}
