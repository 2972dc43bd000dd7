import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TaskStatus } from '#domain/task.js';
import type { TaskEvent } from '#queue/events.js';

/** Milliseconds between looks at the database while somebody waits: for the event that was lost, or never sent. */
const LOOK_MS = 500;

/** A task's status; `gone` when it was deleted. */
export type Seen = TaskStatus | 'gone';

export interface StatusSource {
  statuses(ids: readonly number[]): Promise<ReadonlyMap<number, TaskStatus>>;
}

/** Says when to look again, and keeps nothing to look at: whoever is slow to look costs no memory. */
export interface Ear extends Disposable {
  /** Resolves with what was heard since the last call: an event, a look at the database, or neither for `ms` milliseconds. */
  heard(ms: number): Promise<'event' | 'look' | 'nothing'>;
  /** What the last look saw, and how many there were. */
  readonly look: { readonly seen: Seen | null; readonly count: number };
  /** The status that was last heard of, by an event or a look. */
  readonly latest: Seen | null;
}

type Heard = { readonly event: TaskEvent } | { readonly seen: Seen };

/** Channel of what happens to any task. */
const ANY = 'any';

/** Tells waiting requests when a task changes: by events, and by one look at the database for all of them. */
export class TaskWatch {
  readonly #happened = new EventEmitter().setMaxListeners(0);
  /** Task → requests that wait for it. */
  readonly #waiting = new Map<number, number>();
  #looking = false;

  constructor(
    private readonly store: StatusSource,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** An event of any process. */
  tell(event: TaskEvent): void {
    this.#happened.emit(String(event.task), { event } satisfies Heard);
    this.#happened.emit(ANY, { event } satisfies Heard);
  }

  /** Resolves when the task's status is not `from` any more, when the task is gone, or when `until` aborts. */
  async changed(task: number, from: TaskStatus, until: AbortSignal): Promise<void> {
    using ear = this.listen(task, until);
    while (!until.aborted && (ear.latest === null || ear.latest === from)) await ear.heard(Infinity);
  }

  /** Hears what happens to one task, or to any (null), from the call on. Nothing more once `until` aborts. */
  listen(task: number | null, until: AbortSignal): Ear {
    const channel = task === null ? ANY : String(task);
    const state = { heard: 'nothing' as 'event' | 'look' | 'nothing', latest: null as Seen | null };
    const look = { seen: null as Seen | null, count: 0 };
    let wake = (): void => {};
    const hear = (what: Heard): void => {
      if ('event' in what) {
        state.heard = 'event';
        state.latest = statusOf(what.event) ?? state.latest;
      } else {
        if (state.heard === 'nothing') state.heard = 'look';
        state.latest = look.seen = what.seen;
        look.count += 1;
      }
      wake();
    };
    const onAbort = (): void => wake();
    this.#happened.on(channel, hear);
    until.addEventListener('abort', onAbort);
    if (task !== null) this.#wait(task, 1);
    return {
      look,
      get latest() {
        return state.latest;
      },
      heard: async (ms) => {
        if (state.heard === 'nothing' && !until.aborted) {
          await new Promise<void>((resolve) => {
            const timer = ms === Infinity ? undefined : setTimeout(resolve, ms);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
        const what = state.heard;
        state.heard = 'nothing';
        return what;
      },
      [Symbol.dispose]: () => {
        this.#happened.off(channel, hear);
        until.removeEventListener('abort', onAbort);
        wake();
        if (task !== null) this.#wait(task, -1);
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
        for (const id of ids) {
          this.#happened.emit(String(id), { seen: statuses.get(id) ?? 'gone' } satisfies Heard);
        }
      } catch (error) {
        this.onError(error);
      }
      await sleep(LOOK_MS);
    }
    this.#looking = false;
  }
}

function statusOf(event: TaskEvent): Seen | null {
  if (event.kind === 'phase') return null;
  return event.kind === 'deleted' ? 'gone' : event.status;
}
