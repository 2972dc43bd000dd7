import type { Dialect } from '#nodes/dialect.js';
import type { NodeMachine } from '#nodes/node.js';

/** What can be asked of a node; `other` is every path that none has. */
export const ENDPOINTS = [
  'status',
  'machines',
  'submit',
  'list',
  'view',
  'delete',
  'cancel',
  'report',
  'pcap',
  'events',
  'health',
  'other',
] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

export type NodeTaskStatus =
  | 'pending'
  | 'running'
  | 'completed'
  | 'reported'
  | 'recovered'
  | 'failed_analysis'
  | 'failed_processing'
  | 'failed_reporting'
  // CAPE's own.
  | 'banned'
  | 'distributed'
  | 'distributed_completed';

export type FailedStatus = Extract<NodeTaskStatus, `failed_${string}`>;

export interface NodeSample {
  readonly id: number;
  readonly size: number;
  readonly md5: string;
  readonly crc32: string;
  readonly sha1: string;
  readonly sha256: string;
  readonly sha512: string;
}

export interface NodeTask {
  readonly id: number;
  /** Of the Distributed API; the owner or an option carries it. */
  readonly mark: string | null;
  readonly category: 'file' | 'url';
  /** The name of the file, or the URL. */
  readonly target: string;
  readonly sample: NodeSample | null;
  /** Every field of the form, as it came. */
  readonly fields: Readonly<Record<string, string>>;
  readonly owner: string;
  readonly machine: string | null;
  readonly platform: string | null;
  readonly arch: string | null;
  readonly tags: readonly string[];
  readonly priority: number;
  readonly addedOn: Date;
  status: NodeTaskStatus;
  startedOn: Date | null;
  completedOn: Date | null;
  ranOn: NodeMachine | null;
  errors: string[];
  /** The task that took its place. */
  replacedBy: number | null;
}

/** How a report goes wrong: cut off before its announced end; half of it, told as the whole; not JSON; no byte. */
export type Broken = 'short' | 'truncated' | 'text' | 'empty';

/** What the node does wrong from now on; each is free to be changed at any time. */
export interface Knobs {
  /** Milliseconds before a request is looked at. */
  latency: Partial<Record<Endpoint, number>>;
  /** Takes the request, never answers. */
  hang: readonly Endpoint[];
  status500: readonly Endpoint[];
  /** 413, with a reason. */
  refuse: readonly Endpoint[];
  /** 200, with a page. */
  html: readonly Endpoint[];
  /** 302, to `redirectTo`. */
  redirect: readonly Endpoint[];
  redirectTo: string;
  /** 200, with JSON of another shape. */
  wrongJson: readonly Endpoint[];
  /** 200, says JSON, and is none. */
  notJson: readonly Endpoint[];
  /** 200, and a body that does not end. */
  endless: readonly Endpoint[];
  /** 429, with Retry-After. */
  tooMany: readonly Endpoint[];
  /** Seconds. */
  retryAfter: number;
  /** The connection ends after so many bytes of the body. */
  cutAfter: Partial<Record<Endpoint, number>>;
  /** A submission gets no answer: its connection is cut before the task is taken, or after. */
  cutUpload: 'before' | 'after' | null;
  /** So many more times. */
  cutUploads: number;
  /** How a task ends, instead of reported. */
  failTask: (task: NodeTask) => FailedStatus | null;
  /** By format (`pcap` too): it is not there, so many more times. */
  reportMissing: Record<string, number>;
  /** By format. */
  reportBroken: Partial<Record<string, Broken>>;
  /** `started_on` is null although it ran, as of an imported task. */
  startedOnNull: boolean;
  deleteFails: boolean;
  /** Lists everybody's tasks, whatever the query says, as versions before owners do. */
  ignoresOwner: boolean;
  /** Tasks that one answer of CAPE's tasks/list holds at most. */
  listLimit: number;
  /** Tasks that one upload becomes: CAPE unpacks archives. */
  unpacks: number;
  /** Every request needs it. */
  token: string | null;
}

export function noKnobs(): Knobs {
  return {
    latency: {},
    hang: [],
    status500: [],
    refuse: [],
    html: [],
    redirect: [],
    redirectTo: 'http://127.0.0.1:9/',
    wrongJson: [],
    notJson: [],
    endless: [],
    tooMany: [],
    retryAfter: 7,
    cutAfter: {},
    cutUpload: null,
    cutUploads: Infinity,
    failTask: () => null,
    reportMissing: {},
    reportBroken: {},
    startedOnNull: false,
    deleteFails: false,
    ignoresOwner: false,
    listLimit: 50,
    unpacks: 1,
    token: null,
  };
}

export interface ScriptedOptions {
  readonly dialect: Dialect;
  /** 0, the default: any that is free. */
  readonly port?: number;
  readonly token?: string | null;
  /** Two for Linux, unless given. */
  readonly machines?: readonly Partial<NodeMachine>[];
  /** Milliseconds of an analysis; 20 unless given. */
  readonly runMs?: number | ((task: NodeTask) => number);
  /** Milliseconds that the report then takes; 0 unless given. */
  readonly reportMs?: number;
  /** Bytes that a JSON report has at least. */
  readonly reportBytes?: number;
  readonly knobs?: Partial<Knobs>;
}
