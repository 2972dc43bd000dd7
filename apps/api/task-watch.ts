import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { TERMINAL, type TaskStatus } from '#domain/task.js';
import type { TaskEvent } from '#queue/events.js';

/** Milliseconds between looks at the database while somebody waits: for the event that was lost, or never sent. */
const LOOK_MS = 500;
/** Events kept per task for those who come late, and tasks they are kept for. */
const KEPT_EVENTS = 200;
const KEPT_TASKS = 1000;

export interface StatusSource {
  statuses(ids: readonly number[]): Promise<ReadonlyMap<number, TaskStatus>>;
}

interface Inbox extends Disposable {
  /** `gone`: the task was deleted. */
  next(): Promise<TaskEvent | 'gone' | null>;
}

/** Tells waiting requests when a task changes: by the workers' events, and by one look at the database for all of them. */
export class TaskWatch {
  readonly #happened = new EventEmitter().setMaxListeners(0);
  readonly #kept = new Map<number, TaskEvent[]>();
  /** Task → requests that wait for it. */
  readonly #waiting = new Map<number, number>();
  #looking = false;

  constructor(
    private readonly store: StatusSource,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** An event from a worker. */
  tell(event: TaskEvent): void {
    this.#keep(event);
    this.#happened.emit(String(event.task), event);
  }

  /** Resolves when the task's status is not `from` any more, when the task is gone, or when `until` aborts. */
  async changed(task: number, from: TaskStatus, until: AbortSignal): Promise<void> {
    using inbox = this.#listen(task, until);
    for (let event = await inbox.next(); event !== null; event = await inbox.next()) {
      if (event === 'gone' || (event.kind === 'status' && event.status !== from)) return;
    }
  }

  /** Its phases so far, its status `now`, then what happens, until the task has ended, is gone, or `until` aborts. */
  async *events(task: number, now: TaskStatus, until: AbortSignal): AsyncGenerator<TaskEvent> {
    using inbox = this.#listen(task, until);
    yield* (this.#kept.get(task) ?? []).filter((event) => event.kind === 'phase');
    yield statusEvent(task, now);
    let status = now;
    while (!TERMINAL.includes(status)) {
      const event = await inbox.next();
      if (event === null || event === 'gone') return;
      if (event.kind === 'status') {
        if (event.status === status) continue;
        status = event.status;
      }
      yield event;
    }
  }

  /** Events from the moment of the call on; null once `until` aborts. */
  #listen(task: number, until: AbortSignal): Inbox {
    const waiting: (TaskEvent | 'gone')[] = [];
    let wake = (): void => {};
    const hear = (event: TaskEvent | 'gone'): void => {
      // A reader that does not read loses phases, never the status.
      if (waiting.length < KEPT_EVENTS || event === 'gone' || event.kind === 'status') waiting.push(event);
      wake();
    };
    const onAbort = (): void => wake();
    this.#happened.on(String(task), hear);
    until.addEventListener('abort', onAbort);
    this.#wait(task, 1);
    return {
      next: async () => {
        while (!until.aborted) {
          const event = waiting.shift();
          if (event !== undefined) return event;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        return null;
      },
      [Symbol.dispose]: () => {
        this.#happened.off(String(task), hear);
        until.removeEventListener('abort', onAbort);
        this.#wait(task, -1);
      },
    };
  }

  #wait(task: number, change: 1 | -1): void {
    const waiting = (this.#waiting.get(task) ?? 0) + change;
    if (waiting > 0) this.#waiting.set(task, waiting);
    else this.#waiting.delete(task);
    if (this.#waiting.size > 0 && !this.#looking) void this.#look();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    while (this.#waiting.size > 0) {
      const ids = [...this.#waiting.keys()];
      try {
        const statuses = await this.store.statuses(ids);
        for (const id of ids) this.#see(id, statuses.get(id));
      } catch (error) {
        this.onError(error);
      }
      await sleep(LOOK_MS);
    }
    this.#looking = false;
  }

  #see(task: number, status: TaskStatus | undefined): void {
    this.#happened.emit(String(task), status === undefined ? 'gone' : statusEvent(task, status));
  }

  #keep(event: TaskEvent): void {
    let kept = this.#kept.get(event.task);
    if (!kept) {
      const [oldest] = this.#kept.keys();
      if (this.#kept.size >= KEPT_TASKS && oldest !== undefined) this.#kept.delete(oldest);
      kept = [];
      this.#kept.set(event.task, kept);
    }
    if (kept.length < KEPT_EVENTS) kept.push(event);
  }
}

function statusEvent(task: number, status: TaskStatus): TaskEvent {
  return { kind: 'status', task, status, at: new Date().toISOString() };
}
