import type { ErrorCode } from './errors.js';
import type { Task } from './task.js';

/** Names inside storage/analyses/<id>/. Clients meet them as archive members: they are a contract. */
export const ARTIFACTS = {
  /** TaskRecordFile as JSON: everything examine() needs to know that is not an artefact. */
  task: 'task.json',
  /** Symlink to storage/binaries/<sha256>. */
  sample: 'binary',
  /** The analyzer's own log, uploaded live. */
  analysisLog: 'analysis.log',
  /** What the host did for this task, one JSON line each. */
  hostLog: 'cuckoo.log',
  /** One JSON object per upload: UploadEntry. */
  files: 'files.json',
  dropped: 'files',
  shots: 'shots',
  logs: 'logs',
  /** strace -f -ttt with seccomp-bpf, streamed live. */
  strace: 'logs/strace.log',
  /** Kernel trace_pipe lines of our kprobes, streamed live. */
  kernelTrace: 'logs/kernel.trace',
  pcap: 'dump.pcap',
  /** What the built-in fake internet was asked, one FakenetRecord per line. Written by the host only. */
  fakenet: 'fakenet.jsonl',
  memory: 'memory.dmp',
  /** Memory of single processes. */
  dumps: 'memory',
  packageFiles: 'package_files',
  reports: 'reports',
} as const;

/** Folders made before the guest runs; the guest may upload into some of them (spec protocols.md §1.4, §8.4). */
export const ANALYSIS_FOLDERS = [
  'files',
  'shots',
  'buffer',
  'extracted',
  'memory',
  'package_files',
  'reports',
  'logs',
] as const;

/** A line of files.json. `path`, `filepath` and `pids` are Cuckoo's; the rest is ours. */
export interface UploadEntry {
  /** Relative to the analysis folder. */
  readonly path: string;
  /** Path in the guest, attacker-controlled text; null when the guest did not say. */
  readonly filepath: string | null;
  readonly pids: readonly number[];
  /** Bytes stored. */
  readonly size: number;
  readonly sha256: string;
  readonly status: 'complete' | 'truncated' | 'aborted';
}

/** Milliseconds of each phase of one analysis, in the order they happened. */
export type Phases = Readonly<Record<string, number>>;

/** How the run on the machine ended. */
export type Outcome =
  | { readonly status: 'completed' }
  | { readonly status: 'timed_out' }
  | { readonly status: 'failed'; readonly code: ErrorCode; readonly reason: string };

export interface GuestRun {
  readonly name: string;
  readonly label: string;
  /** Machinery kind, e.g. `qemu`. */
  readonly manager: string;
  readonly platform: string;
  /** ISO 8601, UTC. */
  readonly startedOn: string;
  readonly shutdownOn: string;
  /** Seconds its clock was set ahead of the host's, as the submission asked; absent = 0. */
  readonly clockAhead?: number;
}

/** task.json: the task as submitted and what its run on a machine was. Dates are ISO 8601 strings, UTC. */
export interface TaskFile {
  readonly task: Omit<Task, 'clock' | 'addedOn' | 'startedOn' | 'completedOn' | 'outcome' | 'submitter'> & {
    readonly clock: string | null;
    readonly addedOn: string;
    readonly startedOn: string | null;
    readonly completedOn: string | null;
  };
  readonly guest: GuestRun | null;
  readonly phases: Phases;
  readonly outcome: Outcome;
}

/** One thing the guest asked of the fake internet. `time` is Unix seconds; text is attacker-controlled. */
export type FakenetRecord =
  | {
      readonly kind: 'dns';
      readonly time: number;
      readonly name: string;
      readonly type: string;
      readonly answer: string | null;
    }
  | {
      readonly kind: 'http';
      readonly time: number;
      readonly tls: boolean;
      readonly src: Endpoint;
      readonly dst: Endpoint;
      readonly method: string;
      /** Host header, or the name the address was resolved from, or the address. */
      readonly host: string;
      readonly uri: string;
      readonly version: string;
      readonly headers: readonly (readonly [string, string])[];
      /** First bytes of the body, base64; at most 64 KiB. */
      readonly body: string;
      readonly status: number;
    }
  | {
      readonly kind: 'tls';
      readonly time: number;
      readonly src: Endpoint;
      readonly dst: Endpoint;
      readonly sni: string | null;
    }
  | {
      readonly kind: 'tcp' | 'udp';
      readonly time: number;
      readonly src: Endpoint;
      readonly dst: Endpoint;
      /** smtp, irc, ftp when a greeter spoke; unknown otherwise. */
      readonly service: string;
      /** Name the destination address was resolved from, if it was. */
      readonly host: string | null;
      /** First bytes the guest sent, base64; at most 4 KiB. */
      readonly data: string;
      readonly bytes: number;
    }
  /** The last line of a file that reached its bounds: so many requests were not written. */
  | { readonly kind: 'omitted'; readonly time: number; readonly count: number };

export interface Endpoint {
  readonly ip: string;
  readonly port: number;
}
