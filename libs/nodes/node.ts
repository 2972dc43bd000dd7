import type { Dialect } from './dialect.js';

/** How a node is reached. */
export interface NodeAddress {
  readonly name: string;
  /** Base of its REST API, with a slash at the end. */
  readonly url: string;
  readonly token: string | null;
}

/** Milliseconds. */
export interface NodeLimits {
  /** Until the connection stands. */
  readonly connect: number;
  /** One call, from its beginning to the last byte of its answer; uploads and downloads have it between two pieces. */
  readonly answer: number;
  /** Bytes of one report. */
  readonly reportSize: number;
  /** May it be at a link-local address, where clouds keep their metadata? */
  readonly linkLocal: boolean;
}

export interface NodeMachine {
  readonly name: string;
  readonly label: string | null;
  readonly platform: string;
  /** Null: the node does not say. */
  readonly arch: string | null;
  readonly tags: readonly string[];
  readonly reserved: boolean;
}

export interface NodeMachines {
  readonly machines: readonly NodeMachine[];
  /** As the node has them: clients of Cuckoo 2.0.7 are given these. */
  readonly raw: readonly Record<string, unknown>[];
}

export interface NodeStatus {
  readonly machines: { readonly total: number; readonly available: number };
  readonly tasks: Readonly<Record<'reported' | 'running' | 'total' | 'completed' | 'pending', number>>;
  /** The whole answer. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** A task as its node has it. */
export interface RemoteTask {
  readonly id: number;
  /** In Cuckoo's words, whatever the node's are. */
  readonly status: string;
  /** What the task was marked with when it was submitted; null: it carries no mark of ours. */
  readonly mark: string | null;
  readonly startedOn: Date | null;
  /** Why it failed, in the node's words; null when it says nothing. */
  readonly reason: string | null;
}

/** What a node is asked to analyse. */
export interface Work {
  /** Found again by it: see `find`. */
  readonly mark: string;
  /** The path of the bytes; null for a URL. */
  readonly file: string | null;
  /** The URL, or the name of the file. */
  readonly target: string;
  readonly package: string | null;
  readonly timeout: number;
  readonly priority: number;
  readonly options: string | null;
  readonly machine: string | null;
  readonly platform: string | null;
  readonly arch: string | null;
  readonly tags: readonly string[];
  readonly custom: string | null;
  readonly memory: boolean;
  readonly enforceTimeout: boolean;
  readonly clock: Date | null;
}

/** A report that is on disk now. */
export interface FetchedReport {
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
}

export type NodeEvent =
  | { readonly kind: 'status'; readonly id: string | null; readonly task: number; readonly status: string }
  /** Events were lost: look at everything. Also the first of each connection. */
  | { readonly kind: 'look'; readonly id: string | null };

/**
 * One node. Every call is bounded in time and size and follows no redirect.
 *
 * Calls reject with NodeError: NODE_UNREACHABLE (no connection, time-out, broken off, 5xx), NODE_ODD (it answers, but not
 * as a node does: HTML, a redirect, JSON of another shape, an endless body), NODE_DENIED (401, 403), NODE_BUSY (429, 503),
 * NODE_REFUSED (another 4xx: with what it said).
 */
export interface NodeClient {
  readonly dialect: Dialect;
  status(signal: AbortSignal): Promise<NodeStatus>;
  machines(signal: AbortSignal): Promise<NodeMachines>;
  /**
   * Its id on the node. Sending the same mark again is safe only after `find`, unless the dialect is malkoha, which is
   * given the mark as Idempotency-Key too.
   *
   * @throws NodeError; `unclear` when the node may have taken it all the same
   */
  submit(work: Work, signal: AbortSignal): Promise<number>;
  /** The tasks that carry this mark, the oldest first. */
  find(mark: string, signal: AbortSignal): Promise<readonly RemoteTask[]>;
  /** Null: it has no such task. */
  view(id: number, signal: AbortSignal): Promise<RemoteTask | null>;
  /**
   * Streams a report into a new file at `path`, synced; `format` is `json`, `html` …, or `pcap`. The length is checked
   * against what the node announced, and what should be JSON is. No file is left behind by a failure.
   *
   * @throws NodeError; also REPORT_MISSING (404: the node has none) and REPORT_INVALID (not whole, or not JSON)
   */
  fetch(id: number, format: string, path: string, signal: AbortSignal): Promise<FetchedReport>;
  /**
   * Deletes it if it has not begun to run. False: it has, or it is not there.
   *
   * Cuckoo itself cannot be told so: between a look and the deletion are milliseconds in which it may begin and end.
   */
  withdraw(id: number, signal: AbortSignal): Promise<boolean>;
  /** Ends and deletes it. False: it runs and this node cannot end it; ask again later. True also when it is not there. */
  remove(id: number, signal: AbortSignal): Promise<boolean>;
  /**
   * What happens to all of its tasks, after the event `after`, until `signal` aborts (it then returns) or the connection
   * breaks (it throws). Null: this dialect has no such stream.
   */
  events: ((after: string | null, signal: AbortSignal) => AsyncIterable<NodeEvent>) | null;
  /** Closes its idle connections. */
  close(): void;
}
