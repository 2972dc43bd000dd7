import type { Call } from '#domain/report.js';
import type { SocketAddress } from '#formats/strace-values.js';
import { posix } from 'node:path';
import type { Summary } from './summary.js';

/** Descriptors remembered per process: Linux gives 1024 unless asked for more. */
const MAX_DESCRIPTORS = 1024;

/** One process: all threads of it, from its creation to its end, through any number of programs. */
export interface TracedProcess {
  /** Given at the end, in order of first_seen. */
  procid: number;
  readonly pid: number;
  parent: TracedProcess | null;
  /** 0 when nobody told. */
  ppid: number;
  name: string;
  path: string | null;
  commandLine: string;
  /** Unix seconds. */
  readonly firstSeen: number;
  ended: number | null;
  exitCode: number | null;
  cwd: string;
  descriptors: Descriptors;
  readonly summary: Summary;
  readonly calls: Call[];
  /** False for a process that only the kernel trace saw. */
  track: boolean;
  /** Name of a call → how often. */
  readonly counts: Map<string, number>;
}

export interface Descriptor {
  /** What was opened; null for sockets. */
  readonly path: string | null;
  readonly socket: 'stream' | 'other' | null;
  connection: Connection | null;
}

/** A process turned to an address: connect(), or the first datagram to it. */
export interface Connection {
  readonly process: TracedProcess;
  /** Unix seconds, the guest's clock. */
  readonly time: number;
  readonly remote: SocketAddress;
  /** Null when the socket's kind was not seen. */
  readonly stream: boolean | null;
  /** Told by getsockname. */
  localPort: number | null;
}

/**
 * What a process has open, shared copy-on-write with its children. Closing is not traced: a number means what was
 * opened last under it, and the oldest entries go when there are too many.
 */
export class Descriptors {
  #table = new Map<number, Descriptor>();
  #shared = false;

  get(number: number): Descriptor | undefined {
    return this.#table.get(number);
  }

  set(number: number, descriptor: Descriptor): void {
    if (this.#shared) {
      this.#table = new Map(this.#table);
      this.#shared = false;
    }
    if (this.#table.size >= MAX_DESCRIPTORS && !this.#table.has(number)) {
      for (const oldest of this.#table.keys()) {
        this.#table.delete(oldest);
        break;
      }
    }
    this.#table.set(number, descriptor);
  }

  fork(): Descriptors {
    const copy = new Descriptors();
    copy.#table = this.#table;
    copy.#shared = true;
    this.#shared = true;
    return copy;
  }
}

/** Joins and tidies; a relative path whose base is not known stays relative. */
export function absolutePath(base: string | null, path: string): string {
  if (path.startsWith('/')) return /\/[./]/.test(path) ? posix.normalize(path) : path;
  return base === null ? path : posix.join(base, path);
}
