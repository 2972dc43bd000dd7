import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { reason, SandboxError } from '#domain/errors.js';
import { TASK_STATUSES, type TaskStatus } from '#domain/task.js';
import { within } from './within.js';

/**
 * Redis stream of what happens to all tasks; `malkoha:events:<task>` is the same of one task, with the same ids. The
 * truth is in SQL: events say when to look.
 */
export const EVENTS_STREAM = 'malkoha:events';

interface Happened {
  readonly task: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly machine?: string;
}

export type TaskEvent =
  | (Happened & { readonly kind: 'status'; readonly status: TaskStatus })
  /** A phase of the run that has ended, with its milliseconds. */
  | (Happened & { readonly kind: 'phase'; readonly phase: string; readonly ms?: number })
  | (Happened & { readonly kind: 'deleted' });

export interface LoggedEvent {
  /** `<milliseconds>-<number>`: grows with each event, and names the place to go on reading at. */
  readonly id: string;
  readonly event: TaskEvent;
}

/** Before every event. */
export const BEGINNING = '0-0';

/** Entries of all tasks that are kept, about: half a day of 10,000 analyses a day, 10 MB. */
const KEPT = 50_000;
/** Entries kept of one task, and seconds they are kept after the last. */
const KEPT_OF_ONE = 200;
const KEPT_OF_ONE_S = 86_400;
/** Events that wait in memory for a Redis that is away; more are lost, and those who wait look at SQL. */
const UNWRITTEN_LIMIT = 10_000;
/** Milliseconds one read waits for the next event, and between two reads that fail. */
const BLOCK_MS = 10_000;
const RETRY_MS = 500;
/** Events of one answer. */
const PAGE = 500;

/**
 * Adds one event to both streams and returns its id. A command that was in flight when the connection broke is sent
 * again, so an event that is among the task's last ones is not added twice.
 */
const APPEND = `
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 8)) do
  if entry[2][2] == ARGV[1] then return entry[1] end
end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ${KEPT}, '*', 'event', ARGV[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ${KEPT_OF_ONE}, id, 'event', ARGV[1])
redis.call('EXPIRE', KEYS[2], ${KEPT_OF_ONE_S})
return id`;

/** The event of a task that has a new status from now on, or is gone. */
export function changeEvent(task: number, status: TaskStatus | 'deleted'): TaskEvent {
  const at = new Date().toISOString();
  return status === 'deleted' ? { kind: 'deleted', task, at } : { kind: 'status', task, status, at };
}

/** The log of what happens to tasks, over a connection that stays the caller's to close. */
export class EventLog {
  #unwritten = 0;
  /** Those of this turn of the event loop, which go out together. */
  #gathered: { readonly event: TaskEvent; readonly done: () => void }[] = [];

  constructor(
    private readonly redis: Redis,
    private readonly onError: (error: Error) => void,
  ) {}

  /** In the order of the calls. Never rejects: an event that is lost costs a moment, not the truth. */
  async publish(event: TaskEvent): Promise<void> {
    if (this.#unwritten >= UNWRITTEN_LIMIT) return;
    this.#unwritten += 1;
    return new Promise((done) => {
      if (this.#gathered.length === 0) setImmediate(() => void this.#write());
      this.#gathered.push({ event, done });
    });
  }

  async #write(): Promise<void> {
    const together = this.#gathered;
    this.#gathered = [];
    const pipeline = this.redis.pipeline();
    for (const { event } of together)
      pipeline.eval(APPEND, 2, EVENTS_STREAM, streamOf(event.task), JSON.stringify(event));
    const answers = await pipeline.exec().catch((error: unknown) => [[error as Error, null] as const]);
    const failed = answers?.find(([error]) => error !== null)?.[0];
    if (failed) this.onError(new Error(`event not published: ${reason(failed)}`));
    this.#unwritten -= together.length;
    for (const { done } of together) done();
  }

  /** Events after `after`, oldest first: of one task, or of all (null). At most 500. @throws QUEUE_UNAVAILABLE */
  async read(task: number | null, after: string): Promise<LoggedEvent[]> {
    this.#mustBeReady();
    return entries(await within(this.redis.xrange(streamOf(task), `(${after}`, '+', 'COUNT', PAGE)));
  }

  /**
   * The last id, and whether all that came after `after` is still there. An id that is later than the last is of
   * another Redis.
   *
   * @throws QUEUE_UNAVAILABLE
   */
  async place(
    task: number | null,
    after: string = BEGINNING,
  ): Promise<{ readonly last: string; readonly whole: boolean }> {
    this.#mustBeReady();
    const key = streamOf(task);
    if ((await within(this.redis.exists(key))) === 0) return { last: BEGINNING, whole: after === BEGINNING };
    const facts = pairs((await within(this.redis.xinfo('STREAM', key))) as unknown[]);
    const last = String(facts.get('last-generated-id'));
    const [first] = (facts.get('first-entry') as [string] | null) ?? [last];
    const trimmed = facts.get('entries-added') !== facts.get('length');
    return { last, whole: !isLater(after, last) && !(trimmed && isLater(first, after)) };
  }

  /**
   * Calls `onEvent` for each event from now on, and once for the last one so far, until disposed, over a connection of
   * its own. When that breaks, it goes on behind the last event it has seen.
   */
  tail(onEvent: (logged: LoggedEvent) => void): AsyncDisposable {
    const connection = this.redis.duplicate();
    connection.on('error', this.onError);
    const ended = new AbortController();
    void this.#follow(connection, onEvent, ended.signal);
    return {
      async [Symbol.asyncDispose]() {
        ended.abort();
        connection.disconnect(); // a command that waits for a Redis that is away is not even told of this
      },
    };
  }

  async #follow(
    connection: Redis,
    onEvent: (logged: LoggedEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let last: string | null = null;
    for (;;) {
      try {
        const found: RawEntry[] =
          last === null
            ? await connection.xrevrange(EVENTS_STREAM, '+', '-', 'COUNT', 1)
            : ((
                await connection.xread('COUNT', PAGE, 'BLOCK', BLOCK_MS, 'STREAMS', EVENTS_STREAM, last)
              )?.[0]?.[1] ?? []);
        last = found.at(-1)?.[0] ?? last ?? BEGINNING;
        for (const logged of entries(found)) onEvent(logged);
      } catch (error) {
        if (signal.aborted) return; // whoever aborts also closes the connection
        this.onError(error as Error);
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
      }
    }
  }

  #mustBeReady(): void {
    if (this.redis.status !== 'ready') throw new SandboxError('QUEUE_UNAVAILABLE', 'Redis does not answer');
  }
}

type RawEntry = [id: string, fields: string[]];

function streamOf(task: number | null): string {
  return task === null ? EVENTS_STREAM : `${EVENTS_STREAM}:${task}`;
}

function entries(raw: readonly RawEntry[]): LoggedEvent[] {
  return raw.flatMap(([id, [, text = '']]) => {
    const event = parseEvent(text);
    return event === null ? [] : [{ id, event }];
  });
}

function pairs(flat: readonly unknown[]): ReadonlyMap<unknown, unknown> {
  return new Map(flat.flatMap((key, index) => (index % 2 === 0 ? [[key, flat[index + 1]]] : [])));
}

/** Null for text that is not an event's id. */
export function parseEventId(text: string): string | null {
  return /^\d{1,15}-\d{1,15}$/.test(text) ? text : null;
}

export function isLater(a: string, b: string): boolean {
  const [aTime = 0, aNumber = 0] = a.split('-').map(Number);
  const [bTime = 0, bNumber = 0] = b.split('-').map(Number);
  return aTime === bTime ? aNumber > bNumber : aTime > bTime;
}

/** Null for anything that is not an event of this version. */
export function parseEvent(message: string): TaskEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(message);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const event = value as Record<string, unknown>;
  if (!Number.isSafeInteger(event['task']) || typeof event['at'] !== 'string') return null;
  const isStatus = event['kind'] === 'status' && TASK_STATUSES.some((status) => status === event['status']);
  const isPhase = event['kind'] === 'phase' && typeof event['phase'] === 'string';
  return isStatus || isPhase || event['kind'] === 'deleted' ? (value as TaskEvent) : null;
}
