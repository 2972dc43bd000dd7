import { laneOf, type Lane } from '#domain/lanes.js';
import type { QueuedTask } from '#queue/lane-queue.js';

/** One task as the model has it: what the entry in Redis says, and its turn in its level; null: it is delayed. */
export interface ModelTask {
  readonly id: number;
  readonly level: number;
  readonly added: number;
  readonly lane: Lane;
  readonly account: string;
  readonly avoid: readonly string[];
  turn: number | null;
  due: number;
}

interface Level {
  /** The turn that was taken last. */
  now: number;
  /** The next turn of each account. */
  readonly next: Map<string, number>;
}

/** The rules of the lanes, said once more over a plain list: what libs/queue/lane-scripts.ts must answer. */
export class LaneModel {
  readonly tasks = new Map<number, ModelTask>();
  readonly #levels = new Map<string, Level>();

  constructor(
    private readonly ageing: number,
    private readonly weights: ReadonlyMap<string, number>,
  ) {}

  add(task: QueuedTask, front: boolean, due: number): boolean {
    if (this.tasks.has(task.id)) return false;
    this.#put(
      {
        ...{
          id: task.id,
          level: Math.max(-10, Math.min(1000, task.priority)),
          added: task.addedOn.getTime(),
        },
        ...{ lane: laneOf(task), account: task.submitter ?? task.owner ?? '', avoid: task.avoid ?? [] },
        ...{ turn: null, due: 0 },
      },
      front,
      due,
    );
    return true;
  }

  putBack(task: ModelTask, due: number): void {
    if (!this.tasks.has(task.id)) this.#put({ ...task }, true, due);
  }

  /** Tasks that are due take their places. */
  wake(now: number): void {
    const due = [...this.tasks.values()].filter((task) => task.turn === null && task.due <= now);
    for (const task of due.sort((a, b) => a.due - b.due || a.id - b.id)) this.#place(task, true);
  }

  /** Those of which one is taken next: more than one when only the order in which lanes are looked at decides. */
  best(lanes: readonly Lane[], now: number): readonly ModelTask[] {
    const heads = this.#queues()
      .filter(([lane]) => lanes.includes(lane))
      .map(([, queue]) => queue[0] as ModelTask);
    const rank = ({ level, added }: ModelTask) =>
      this.ageing === 0 ? level : level + Math.max(0, now - added) / this.ageing;
    const highest = Math.max(...heads.map(rank));
    const first = heads.filter((task) => rank(task) === highest);
    const oldest = Math.min(...first.map(({ added }) => added));
    return first.filter(({ added }) => added === oldest);
  }

  take(id: number): ModelTask {
    const task = this.tasks.get(id) as ModelTask;
    const { turn } = task;
    this.remove(id);
    const level = this.#levels.get(levelOf(task));
    if (level !== undefined) level.now = turn ?? level.now;
    return task;
  }

  remove(id: number): boolean {
    const task = this.tasks.get(id);
    if (task === undefined) return false;
    this.tasks.delete(id);
    const rest = [...this.tasks.values()].some(
      (other) => other.turn !== null && levelOf(other) === levelOf(task),
    );
    if (task.turn !== null && !rest) this.#levels.delete(levelOf(task));
    return true;
  }

  place(id: number): { readonly state: string; readonly ahead?: number } {
    const task = this.tasks.get(id);
    if (task === undefined) return { state: 'none' };
    if (task.turn === null) return { state: 'delayed' };
    const before = this.#queues()
      .filter(([lane, queue]) => lane === task.lane && (queue[0]?.level ?? 0) >= task.level)
      .flatMap(([, queue]) => (queue.includes(task) ? queue.slice(0, queue.indexOf(task)) : queue));
    return { state: 'waiting', ahead: before.length };
  }

  /** Lane → tasks in it. */
  depths(): ReadonlyMap<Lane, number> {
    const depths = new Map<Lane, number>();
    for (const [lane, queue] of this.#queues()) depths.set(lane, (depths.get(lane) ?? 0) + queue.length);
    return depths;
  }

  clear(): void {
    this.tasks.clear();
    this.#levels.clear();
  }

  #put(task: ModelTask, front: boolean, due: number): void {
    this.tasks.set(task.id, task);
    task.turn = null;
    task.due = due;
    if (due === 0) this.#place(task, front);
  }

  #place(task: ModelTask, front: boolean): void {
    const key = levelOf(task);
    const level = this.#levels.get(key) ?? { now: 0, next: new Map<string, number>() };
    this.#levels.set(key, level);
    task.turn = level.now;
    if (front) return;
    task.turn = Math.max(level.now, level.next.get(task.account) ?? 0);
    level.next.set(task.account, task.turn + 1 / (this.weights.get(task.account) ?? 1));
  }

  /** Lane and level, with its tasks by their turn. */
  #queues(): readonly (readonly [Lane, readonly ModelTask[]])[] {
    const queues = new Map<string, ModelTask[]>();
    for (const task of this.tasks.values()) {
      if (task.turn !== null) queues.set(levelOf(task), [...(queues.get(levelOf(task)) ?? []), task]);
    }
    return [...queues.values()].map((queue) => [
      queue[0]?.lane ?? '',
      queue.sort((a, b) => (a.turn ?? 0) - (b.turn ?? 0) || a.id - b.id),
    ]);
  }
}

function levelOf({ lane, level }: ModelTask): string {
  return `${lane}:${level}`;
}
