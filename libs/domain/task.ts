import type { OutcomeCode } from './outcome.js';

/** Cuckoo's words, kept literally: clients compare them (spec: no new intermediate values). */
export const TASK_STATUSES = [
  'pending',
  'running',
  'completed',
  'reported',
  'recovered',
  'failed_analysis',
  'failed_processing',
  'failed_reporting',
] as const;

export type TaskStatus = (typeof TASK_STATUSES)[number];

/**
 * Statuses a task may move to. `running → pending` hands a task back when its worker died or is shutting down;
 * `reported → completed` and `failed_processing → completed` examine the stored artefacts again.
 */
const NEXT = {
  pending: ['running', 'failed_analysis', 'recovered'],
  running: ['completed', 'pending', 'failed_analysis', 'recovered'],
  completed: ['reported', 'failed_processing', 'failed_reporting', 'recovered'],
  reported: ['completed', 'recovered'],
  recovered: [],
  failed_analysis: ['recovered'],
  failed_processing: ['completed', 'recovered'],
  failed_reporting: ['completed', 'recovered'],
} as const satisfies Record<TaskStatus, readonly TaskStatus[]>;

export function canMove(from: TaskStatus, to: TaskStatus): boolean {
  return (NEXT[from] as readonly TaskStatus[]).includes(to);
}

/** Runs of one task that a host's fault may cost: after the third the task itself is the suspect. */
export const MAX_ATTEMPTS = 3;

/** The statuses nothing leaves by itself: the task has ended. */
export const TERMINAL: readonly TaskStatus[] = [
  'reported',
  'recovered',
  'failed_analysis',
  'failed_processing',
  'failed_reporting',
];

/** `archive`: the sample is a plain zip, and the option `filename` names the member to run. */
export type TaskCategory = 'file' | 'url' | 'archive';

/** Content-addressed: one per distinct content, kept in storage/binaries/<sha256>. */
export interface Sample {
  readonly id: number;
  /** Bytes. */
  readonly fileSize: number;
  /** What libmagic calls it. */
  readonly fileType: string;
  readonly md5: string;
  /** 8 upper-case hex digits; every other hash is lower-case hex. */
  readonly crc32: string;
  readonly sha1: string;
  readonly sha256: string;
  readonly sha512: string;
  readonly ssdeep: string | null;
}

/** What the submitter asked for. Stored once, never edited. */
export interface Submission {
  readonly category: TaskCategory;
  /** The URL, or the submitted file's base name as the client wrote it (sanitised); of an archive, with `.zip` at its end. */
  readonly target: string;
  readonly package: string | null;
  /** Seconds the sample may run; 0 = the configured default. */
  readonly timeout: number;
  /** Larger runs first. */
  readonly priority: number;
  readonly custom: string | null;
  readonly owner: string | null;
  readonly machine: string | null;
  readonly platform: string | null;
  /** Of the machine's processor: x64, x86, arm64 … */
  readonly arch: string | null;
  /** A machine must carry all of these. */
  readonly tags: readonly string[];
  /** `k=v,k2=v2`, sorted by key; see parseOptions. */
  readonly options: string | null;
  readonly memory: boolean;
  readonly enforceTimeout: boolean;
  /** The guest's clock; null = the time the analysis starts. */
  readonly clock: Date | null;
  /** Name of the API token it came with; null: none was needed. */
  readonly submitter: string | null;
}

export interface Task extends Submission {
  readonly id: number;
  readonly status: TaskStatus;
  readonly addedOn: Date;
  readonly startedOn: Date | null;
  /** When the analysis (not the report) was done. */
  readonly completedOn: Date | null;
  /** Route really used. */
  readonly route: string | null;
  /** How its last run ended; null until one did. */
  readonly outcome: OutcomeCode | null;
  readonly sample: Sample | null;
}

/** `a=b,c=d` → Map. Items without `=` are dropped, keys and values trimmed; a value cannot hold a comma. */
export function parseOptions(options: string | null): ReadonlyMap<string, string> {
  const pairs = (options ?? '').split(',').flatMap((item): [string, string][] => {
    const at = item.indexOf('=');
    const key = item.slice(0, at).trim();
    return at === -1 || key === '' ? [] : [[key, item.slice(at + 1).trim()]];
  });
  return new Map(pairs);
}

/** Sorted by key; null when there is nothing to say. */
export function formatOptions(options: ReadonlyMap<string, string>): string | null {
  if (options.size === 0) return null;
  return [...options]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
