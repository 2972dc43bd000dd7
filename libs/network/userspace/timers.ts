import type { Clock } from './clock.js';

/** Something that wants to be woken. `queuedAt` belongs to the queue: Infinity while it is not in there. */
export interface Sleeper {
  queuedAt: number;
  /** Does what is due and returns when to be woken next; Infinity for never. */
  wake(now: number): number;
}

interface Entry {
  readonly at: number;
  readonly sleeper: Sleeper;
}

/**
 * One clock alarm for any number of connections: a binary heap with lazy deletion. Moving a deadline back (which every
 * acknowledged segment does) costs nothing: the sleeper is woken at the old time, finds nothing due, and names the new.
 */
export class TimerQueue {
  private readonly heap: Entry[] = [];
  private alarmAt = Infinity;
  private cancelAlarm: (() => void) | null = null;

  constructor(private readonly clock: Clock) {}

  /** Makes sure that the sleeper is woken at `at`, or earlier. */
  arm(sleeper: Sleeper, at: number): void {
    if (at >= sleeper.queuedAt) return;
    sleeper.queuedAt = at;
    this.add({ at, sleeper });
    this.setAlarm();
  }

  clear(): void {
    for (const { sleeper } of this.heap) sleeper.queuedAt = Infinity;
    this.heap.length = 0;
    this.setAlarm();
  }

  private setAlarm(): void {
    const next = this.heap[0]?.at ?? Infinity;
    if (next >= this.alarmAt && next !== Infinity) return;
    this.cancelAlarm?.();
    this.cancelAlarm = null;
    this.alarmAt = next;
    if (next !== Infinity) this.cancelAlarm = this.clock.wake(next, () => this.ring());
  }

  private ring(): void {
    this.alarmAt = Infinity;
    this.cancelAlarm = null;
    const now = this.clock.now();
    const due: Sleeper[] = [];
    for (let first = this.heap[0]; first !== undefined && first.at <= now; first = this.heap[0]) {
      this.removeFirst();
      // An entry that was overtaken by an earlier one of the same sleeper is stale.
      if (first.sleeper.queuedAt !== first.at) continue;
      first.sleeper.queuedAt = Infinity;
      due.push(first.sleeper);
    }
    for (const sleeper of due) this.arm(sleeper, sleeper.wake(now));
    this.setAlarm();
  }

  private add(entry: Entry): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || parent.at <= entry.at) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = entry;
  }

  private removeFirst(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const [child, index] =
        right !== undefined && left !== undefined && right.at < left.at
          ? [right, 2 * at + 2]
          : [left, 2 * at + 1];
      if (child === undefined || child.at >= last.at) break;
      heap[at] = child;
      at = index;
    }
    heap[at] = last;
  }
}
