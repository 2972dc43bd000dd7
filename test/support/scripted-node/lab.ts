import { serves } from '#domain/machine.js';
import type { NodeMachine } from '#nodes/node.js';
import { foreignTask } from './foreign-task.js';
import type { FailedStatus, NodeTask, NodeTaskStatus } from './options.js';

export interface Run {
  readonly mark: string | null;
  readonly target: string;
  readonly id: number;
}

export interface LabOptions {
  readonly machines: readonly NodeMachine[];
  readonly runMs: (task: NodeTask) => number;
  readonly reportMs: number;
  readonly failure: (task: NodeTask) => FailedStatus | null;
  readonly onChange: (task: NodeTask, what: NodeTaskStatus | 'deleted') => void;
}

export type NewTask = Omit<
  NodeTask,
  'id' | 'addedOn' | 'status' | 'startedOn' | 'completedOn' | 'ranOn' | 'errors' | 'replacedBy'
>;

/** The tasks of a node and its machines: a task waits for a machine that serves it, runs, and ends. */
export class Lab {
  readonly tasks = new Map<number, NodeTask>();
  /** Every analysis that was begun, over all wipes. */
  readonly runs: Run[] = [];
  readonly #byOwner = new Map<string, Set<NodeTask>>();
  readonly #counts = new Map<NodeTaskStatus, number>();
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #busy = new Map<NodeMachine, NodeTask>();
  /** By priority, then by id. */
  #waiting: NodeTask[] = [];
  #nextId = 1;
  #nextSample = 1;

  constructor(private readonly by: LabOptions) {}

  get freeMachines(): number {
    return this.by.machines.length - this.#busy.size;
  }

  isBusy(machine: NodeMachine): boolean {
    return this.#busy.has(machine);
  }

  count(status: NodeTaskStatus): number {
    return this.#counts.get(status) ?? 0;
  }

  ofOwner(owner: string): Iterable<NodeTask> {
    return this.#byOwner.get(owner) ?? [];
  }

  nextSampleId(): number {
    return this.#nextSample++;
  }

  add(given: NewTask): NodeTask {
    const task = this.#store(given, 'pending');
    const at = this.#waiting.findLastIndex((other) => other.priority >= task.priority);
    this.#waiting.splice(at + 1, 0, task);
    this.by.onChange(task, 'pending');
    this.#startNext();
    return task;
  }

  /** Reported tasks that somebody else submitted. */
  addForeign(n: number): NodeTask[] {
    return Array.from({ length: n }, (_, i) => {
      const task = this.#store(foreignTask(i), 'reported');
      task.startedOn = task.completedOn = new Date();
      return task;
    });
  }

  /** As if the node had moved it there. */
  set(task: NodeTask, status: NodeTaskStatus): void {
    this.#bump(task.status, -1);
    task.status = status;
    this.#bump(status, 1);
    this.by.onChange(task, status);
  }

  /** As a restart of a daemon does with a task that ran: it is `recovered`, and the same begins anew with another id. */
  replace(task: NodeTask): NodeTask {
    const { mark, category, target, sample, fields, owner, machine, platform, arch, tags, priority } = task;
    this.set(task, 'recovered');
    this.#release(task);
    const given = { mark, category, target, sample, fields, owner, machine, platform, arch, tags, priority };
    const other = this.add(given);
    task.replacedBy = other.id;
    return other;
  }

  /** pending or running → failed_analysis. */
  cancel(task: NodeTask, why: string): void {
    task.errors.push(why);
    task.completedOn = new Date();
    this.set(task, 'failed_analysis');
    this.#release(task);
  }

  delete(task: NodeTask): void {
    this.tasks.delete(task.id);
    this.#byOwner.get(task.owner)?.delete(task);
    this.#bump(task.status, -1);
    this.by.onChange(task, 'deleted');
    this.#release(task);
  }

  /** As after a new installation: no task, and ids from 1. */
  wipe(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const map of [this.#timers, this.tasks, this.#byOwner, this.#counts, this.#busy]) map.clear();
    this.#waiting = [];
    this.#nextId = this.#nextSample = 1;
  }

  #store(given: NewTask, status: NodeTaskStatus): NodeTask {
    const task: NodeTask = {
      ...given,
      id: this.#nextId++,
      addedOn: new Date(),
      status,
      startedOn: null,
      completedOn: null,
      ranOn: null,
      errors: [],
      replacedBy: null,
    };
    this.tasks.set(task.id, task);
    const ofOwner = this.#byOwner.get(task.owner) ?? new Set();
    this.#byOwner.set(task.owner, ofOwner.add(task));
    this.#bump(status, 1);
    return task;
  }

  #startNext(): void {
    for (let i = 0; i < this.#waiting.length && this.freeMachines > 0;) {
      const task = this.#waiting[i];
      const machine = task && this.by.machines.find((one) => !this.#busy.has(one) && fits(one, task));
      if (task && machine) {
        this.#waiting.splice(i, 1);
        this.#start(task, machine);
      } else i += 1;
    }
  }

  #start(task: NodeTask, machine: NodeMachine): void {
    this.#busy.set(machine, task);
    task.ranOn = machine;
    task.startedOn = new Date();
    this.runs.push({ mark: task.mark, target: task.target, id: task.id });
    this.set(task, 'running');
    this.#after(this.by.runMs(task), task, () => this.#ran(task));
  }

  #ran(task: NodeTask): void {
    task.completedOn = new Date();
    const failure = this.by.failure(task);
    if (failure === 'failed_analysis') this.#fail(task, failure);
    else {
      this.set(task, 'completed');
      this.#after(this.by.reportMs, task, () => {
        if (failure === null) this.set(task, 'reported');
        else this.#fail(task, failure);
      });
    }
    this.#free(task);
  }

  #fail(task: NodeTask, failure: FailedStatus): void {
    task.errors.push(`It was told to end as ${failure}`);
    this.set(task, failure);
  }

  #release(task: NodeTask): void {
    clearTimeout(this.#timers.get(task.id));
    this.#timers.delete(task.id);
    this.#waiting = this.#waiting.filter((other) => other !== task);
    this.#free(task);
  }

  #free(task: NodeTask): void {
    if (task.ranOn !== null && this.#busy.get(task.ranOn) === task) this.#busy.delete(task.ranOn);
    this.#startNext();
  }

  /** A node that a test forgot must not keep its process alive. */
  #after(ms: number, task: NodeTask, then: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(task.id);
      then();
    }, ms);
    this.#timers.set(task.id, timer.unref());
  }

  #bump(status: NodeTaskStatus, by: number): void {
    this.#counts.set(status, this.count(status) + by);
  }
}

function fits(machine: NodeMachine, task: NodeTask): boolean {
  const known = { ...machine, label: machine.label ?? machine.name, arch: machine.arch ?? '' };
  return serves(known, task);
}
