import { SandboxError } from '#domain/errors.js';
import { TERMINAL, type TaskStatus } from '#domain/task.js';
import {
  BEGINNING,
  changeEvent,
  isLater,
  type EventLog,
  type LoggedEvent,
  type TaskEvent,
} from '#queue/events.js';
import type { TaskCounts } from '#storage/task-details.js';
import type { Ear, TaskWatch } from '../task-watch.js';

/** Milliseconds between comments: proxies, and our own idle limit, end connections that say nothing. */
const KEEPALIVE_MS = 15_000;
/** Milliseconds after which a client should connect again. */
const RETRY_MS = 3000;
const KEEPALIVE = ': still here\n\n';

export interface StreamSources {
  readonly events: EventLog;
  readonly watch: TaskWatch;
  readonly tasks: { status(id: number): Promise<TaskStatus | null>; counts(): Promise<TaskCounts> };
}

export interface StreamOptions {
  /** Id of the last event that the client has; null: it has none. */
  readonly after: string | null;
  readonly until: AbortSignal;
}

/**
 * Server-sent events of one task: its phases so far and its status now, or what came after `after`; then each change,
 * until the task has ended, is gone, or `until` aborts. The log is read as fast as the client takes it, and only then.
 */
export async function* taskEvents(
  task: number,
  by: StreamSources,
  { after, until }: StreamOptions,
): AsyncGenerator<string> {
  using ear = by.watch.listen(task, until);
  yield `retry: ${RETRY_MS}\n\n`;
  const resumed = after !== null && (await placeOf(by, task, after)).whole;
  if (after !== null && !resumed) yield missed({ after, task });

  const history = await read(by, task, BEGINNING);
  let last = history.at(-1)?.id ?? (resumed ? after : BEGINNING);
  for (const logged of history) {
    if (resumed ? isLater(logged.id, after) : logged.event.kind === 'phase') yield frame(logged);
  }
  const now = await by.tasks.status(task);
  if (now === null) return;
  const known = resumed ? history.findLast(({ event }) => event.kind === 'status')?.event : undefined;
  if (known?.kind !== 'status' || known.status !== now)
    yield frame({ id: last, event: changeEvent(task, now) });

  const told = new Told(now);
  while (!told.ended && !until.aborted) {
    const heard = await ear.heard(KEEPALIVE_MS);
    if (heard !== 'look' || ear.look.seen !== told.status) {
      for (const logged of await read(by, task, last)) {
        last = logged.id;
        if (told.hears(logged.event)) yield frame(logged);
      }
    }
    const correction = told.sees(ear.look);
    if (correction !== null) yield frame({ id: null, event: changeEvent(task, correction) });
    if (heard === 'nothing') yield KEEPALIVE;
  }
}

/** Server-sent events of all tasks, or the changes to one status: what came after `after`, or from now on. */
export async function* allEvents(
  by: StreamSources,
  { after, until, status }: StreamOptions & { readonly status: TaskStatus | null },
): AsyncGenerator<string> {
  using ear = by.watch.listen(null, until);
  const place = await placeOf(by, null, after ?? BEGINNING);
  let last = after !== null && !isLater(after, place.last) ? after : place.last;
  yield `retry: ${RETRY_MS}\nid: ${last}\n\n`;
  if (after !== null && !place.whole) yield missed({ after, tasks: await by.tasks.counts() });
  while (!until.aborted) {
    const page = await read(by, null, last);
    for (const logged of page) {
      last = logged.id;
      if (status === null || (logged.event.kind === 'status' && logged.event.status === status))
        yield frame(logged);
    }
    if (page.length === 0 && (await ear.heard(KEEPALIVE_MS)) === 'nothing') yield KEEPALIVE;
  }
}

/**
 * The status of one task as its client is told it: by the log, and from SQL when the log does not tell (Redis is away, or
 * lost it).
 */
class Told {
  #doubted: number | null = null;
  /** When SQL had the word: what the log still tells of the time before is old. */
  #spoke = 0;
  #gone = false;

  constructor(public status: TaskStatus) {}

  get ended(): boolean {
    return this.#gone || TERMINAL.includes(this.status);
  }

  /** True for an event that is news. */
  hears(event: TaskEvent): boolean {
    if (event.kind === 'phase') return true;
    if (event.kind === 'deleted') return (this.#gone = true);
    if (event.status === this.status || Date.parse(event.at) <= this.#spoke) return false;
    this.status = event.status;
    this.#doubted = null;
    return true;
  }

  /** A status that differs counts when a second look confirms it: the event of the change may be on its way. */
  sees({ seen, count }: Ear['look']): TaskStatus | 'deleted' | null {
    if (this.#gone || seen === null || seen === this.status) {
      this.#doubted = null;
      return null;
    }
    this.#doubted ??= count;
    if (count === this.#doubted) return null;
    this.#spoke = Date.now();
    this.#doubted = null;
    if (seen === 'gone') {
      this.#gone = true;
      return 'deleted';
    }
    return (this.status = seen);
  }
}

/** JSON.stringify leaves no line break that could end the message early. */
function frame({ id, event }: { readonly id: string | null; readonly event: TaskEvent }): string {
  return `${id === null ? '' : `id: ${id}\n`}event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** Events after the client's last one are not kept any more: it should look at the state instead. */
function missed(facts: {
  readonly after: string;
  readonly task?: number;
  readonly tasks?: TaskCounts;
}): string {
  const data = { kind: 'missed', at: new Date().toISOString(), ...facts };
  return `event: missed\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Nothing while Redis is away; it is read again at the next occasion. */
async function read(by: StreamSources, task: number | null, after: string): Promise<LoggedEvent[]> {
  return by.events.read(task, after).catch((error: unknown) => ifAway(error, []));
}

/** While Redis is away, nothing is known to be lost, and what happens from now on comes later. */
async function placeOf(
  by: StreamSources,
  task: number | null,
  after: string,
): Promise<{ readonly last: string; readonly whole: boolean }> {
  const guess = { last: `${Date.now()}-0`, whole: true };
  return by.events.place(task, after).catch((error: unknown) => ifAway(error, guess));
}

function ifAway<T>(error: unknown, instead: T): T {
  if (error instanceof SandboxError && error.code === 'QUEUE_UNAVAILABLE') return instead;
  throw error;
}
