import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UploadEntry } from '#domain/artifacts.js';
import { isDiskError } from '#domain/disk-error.js';
import { ProtocolError, reason } from '#domain/errors.js';
import { limitedReport } from './anomalies.js';
import { HeaderParser, type Dialect, type Header } from './header.js';
import { Incoming } from './incoming.js';
import type { Limits } from './limits.js';
import { TaskStore } from './task-store.js';

export interface ResultTask {
  readonly id: number;
  /** storage/analyses/<id>. */
  readonly dir: string;
  readonly dialect: Dialect;
  /** Something no honest guest does. The text is short, and guest text in it is quoted. Must not throw. */
  readonly onAnomaly?: (what: string) => void;
  /** After each upload by FILE, once it is in files.json. Must not throw. */
  readonly onStored?: (entry: UploadEntry) => void;
}

export interface ResultStats {
  /** Files made, behaviour logs and the analyzer's log included. */
  readonly files: number;
  /** Bytes stored. */
  readonly bytes: number;
  /** Connections accepted. */
  readonly connections: number;
  /** Connections turned away, or closed because of what they sent. */
  readonly refused: number;
}

interface Hooks {
  /** Nothing more is accepted; uploads may be under way. Called once. */
  onClose(closed: TaskResults): void;
  /** Nothing more is written. Called once. */
  onEnd(ended: TaskResults): void;
}

interface Connection {
  readonly stream: Duplex;
  readonly incoming: Incoming;
  /** The header has been read. */
  receiving: boolean;
  /** Told to go; what it sent is still being put away. */
  leaving: boolean;
}

/** Silence after which a connection may have to make room for another. */
const IDLE_MS = 1_000;

/** The connections of one task's guest, from the first until the task ends. */
export class TaskResults implements AsyncDisposable {
  readonly #open = new Map<Connection, Promise<void>>();
  readonly #report: (what: string) => void;
  #connections = 0;
  #refused = 0;
  #accepting = true;
  #ending: Promise<void> | null = null;

  private constructor(
    private readonly dialect: Dialect,
    private readonly limits: Limits,
    private readonly store: TaskStore,
    private readonly hooks: Hooks,
    report: (what: string) => void,
    /** Aborts with NO_DISK_SPACE or CAPTURE_FAILED, once, when the host could not store what the guest sent. */
    readonly failed: AbortSignal,
  ) {
    this.#report = report;
  }

  static async open(task: ResultTask, limits: Limits, hooks: Hooks): Promise<TaskResults> {
    const report = limitedReport(task.onAnomaly ?? (() => undefined));
    const onStored = task.onStored ?? (() => undefined);
    const { dir, dialect } = task;
    const failed = new AbortController();
    const onDiskError = (error: Error) => failed.abort(error);
    const store = await TaskStore.open({ dir, dialect, limits, onAnomaly: report, onStored, onDiskError });
    return new TaskResults(dialect, limits, store, hooks, report, failed.signal);
  }

  get stats(): ResultStats {
    const { files, bytes } = this.store.budget;
    return { files, bytes, connections: this.#connections, refused: this.#refused };
  }

  /** Takes one connection of this task's guest and sees it to its end. */
  accept(stream: Duplex): void {
    const connection = { stream, incoming: new Incoming(stream), receiving: false, leaving: false };
    const why = this.#accepting ? this.#full() : 'connection after the end of the task';
    if (why !== null) {
      this.#refuse(connection, why);
      return;
    }
    this.#connections += 1;
    this.#open.set(connection, this.#serve(connection));
  }

  /**
   * Takes no more connections and drops those that have sent no header: from now on the guest's address may belong
   * to another task. Uploads under way go on.
   */
  close(): void {
    if (!this.#accepting) return;
    this.#accepting = false;
    this.hooks.onClose(this);
    for (const { stream, receiving } of this.#open.keys()) {
      if (!receiving) stream.destroy();
    }
  }

  /** Ends the task as disposing does, then rejects with what `failed` was aborted with, if it was at any time. */
  async finish(): Promise<void> {
    await this[Symbol.asyncDispose]();
    this.failed.throwIfAborted();
  }

  /** Ends the task: what is under way may finish within limits.closeMs. Nothing is written after this resolves. */
  [Symbol.asyncDispose](): Promise<void> {
    return (this.#ending ??= this.#end());
  }

  async #end(): Promise<void> {
    this.close();
    // Not half-closed: a client that answers our FIN with its own would make half a file look whole.
    await this.#lastBytes();
    for (const { stream } of this.#open.keys()) stream.destroy();
    await Promise.allSettled(this.#open.values());
    await this.store.close().catch(() => undefined); // `failed` has it
    this.hooks.onEnd(this);
  }

  /** Until every connection is done, or none has brought a byte for a while, or the time is over. */
  async #lastBytes(): Promise<void> {
    const done = Promise.allSettled(this.#open.values());
    const deadline = Date.now() + this.limits.closeMs;
    const received = () => [...this.#open.keys()].reduce((sum, { incoming }) => sum + incoming.received, 0);
    for (let before = -1; this.#open.size > 0 && Date.now() < deadline;) {
      const now = received();
      if (now === before) return;
      before = now;
      const pause = new AbortController();
      const quiet = sleep(this.limits.quietMs, undefined, { signal: pause.signal }).catch(() => undefined);
      await Promise.race([done, quiet]);
      pause.abort();
    }
  }

  /**
   * Null when one more connection fits. A sample that holds all of them open must not keep the analyzer out: the
   * newest that is silent makes room, as the analyzer's own long-lived ones were there before the sample ran.
   */
  #full(): string | null {
    const { connections, pending } = this.limits;
    const open = [...this.#open.keys()].filter(({ leaving }) => !leaving);
    const waiting = open.filter(({ receiving }) => !receiving);
    if (waiting.length >= pending) return this.#makeRoom(waiting, `${pending} connections without a header`);
    if (open.length >= connections) return this.#makeRoom(open, `${connections} connections at a time`);
    return null;
  }

  #makeRoom(crowd: readonly Connection[], limit: string): string | null {
    const why = `more than ${limit}`;
    const silent = crowd.findLast(({ incoming }) => incoming.silentMs >= IDLE_MS);
    if (!silent) return why;
    silent.leaving = true;
    this.#refuse(silent, why);
    return null;
  }

  #refuse({ stream }: Connection, why: string): void {
    this.#refused += 1;
    this.#report(why);
    stream.destroy();
  }

  async #serve(connection: Connection): Promise<void> {
    const { stream, incoming } = connection;
    try {
      const start = await this.#header(incoming);
      if (start === null || !this.#accepting) return;
      connection.receiving = true;
      await this.store.receive(start.header, start.rest, incoming);
    } catch (error) {
      // A connection that broke, or was dropped, before it said anything.
      if (!connection.receiving && !(error instanceof ProtocolError)) return;
      // Nothing the guest did; `failed` has it.
      if (isDiskError(error)) return;
      this.#refuse(connection, reason(error));
    } finally {
      stream.destroy();
      this.#open.delete(connection);
    }
  }

  /** Null when the guest left before its header was whole. */
  async #header(incoming: Incoming): Promise<{ header: Header; rest: Buffer } | null> {
    const parser = new HeaderParser(this.dialect);
    const { commandMs, capeCommandMs, headerMs } = this.limits;
    let deadline = Date.now() + (this.dialect === 'cape' ? capeCommandMs : commandMs);
    for (;;) {
      const chunk = await incoming.read(deadline - Date.now());
      if (chunk === null) return null;
      const started = parser.started;
      const start = parser.push(chunk);
      if (start) return start;
      if (parser.started && !started) deadline = Date.now() + headerMs;
    }
  }
}
