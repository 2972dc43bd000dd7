import { expect } from '@jest/globals';
import type { Redis } from 'ioredis';
import type { DataSource } from 'typeorm';
import { canMove, MAX_ATTEMPTS, TERMINAL, type TaskStatus } from '#domain/task.js';
import { LEASE_MS } from '#queue/liveness.js';
import { PROCESSING_QUEUE, Queues } from '#queue/queues.js';
import { TaskRow } from '#storage/entities/task.entity.js';
import { Machines } from '#storage/machines.js';
import { Tasks } from '#storage/tasks.js';
import { Workers } from '#storage/workers.js';
import { Repair } from '../../apps/worker/repair.js';
import { ModelHost } from './lab-host.js';

/** A task as the rules say it is. */
export interface ModelTask {
  readonly status: TaskStatus;
  readonly epoch: number;
  readonly attempt: number;
  readonly worker: string | null;
}

const quiet = (): void => {};
const never = new AbortController().signal;

/**
 * A lab of real storage, queues, reconciler and signs of life, whose hosts do what the test says. After every step the
 * rows are compared with what the rules make of it; what only the reconciler and the hosts' looks may do is held
 * against when they may.
 */
export class ModelLab {
  readonly tasks: Tasks;
  readonly workers: Workers;
  readonly queues: Queues;
  readonly hosts: readonly ModelHost[];
  /** What the rows should say. */
  readonly rules = new Map<number, ModelTask>();
  /** Times each task entered a terminal state, but for those it was asked to leave. */
  readonly ends = new Map<number, number>();
  readonly #claimed = new Set<string>();
  readonly #repair: Repair;
  #clock = 0;

  constructor(
    private readonly db: DataSource,
    redis: Redis,
    private readonly advance: (ms: number) => void,
  ) {
    this.tasks = new Tasks(db);
    this.workers = new Workers(db);
    this.queues = new Queues(redis, quiet);
    this.#repair = new Repair({
      ...{ worker: 'repairer/1/1', tasks: this.tasks, workers: this.workers, queues: this.queues },
      machines: new Machines(db),
      settings: { reschedule: true, process_results: true, patience: 0 },
      onRepaired: quiet,
      pauseMs: 0,
      // Whatever it could not do would be swallowed.
      log: (_level, message) => expect(message).not.toMatch('not reconciled'),
    });
    this.hosts = [1, 2, 3].map((n) => new ModelHost(`host${n}`, this));
  }

  get machines(): Machines {
    return new Machines(this.db);
  }

  /** Milliseconds since the lab began. */
  get clock(): number {
    return this.#clock;
  }

  time(ms: number): void {
    this.advance(ms);
    this.#clock += ms;
  }

  /** The rules move a task; null when they refuse. */
  move(id: number, change: Partial<ModelTask>): void {
    const before = this.rules.get(id);
    if (before === undefined) throw new Error(`no task ${id}`);
    this.#entered(id, before.status, change.status ?? before.status);
    this.rules.set(id, { ...before, ...change });
  }

  submitted(id: number): void {
    this.rules.set(id, { status: 'pending', epoch: 0, attempt: 0, worker: null });
  }

  /** Of any two runs of a task each has an epoch of its own, larger than those before. */
  claimed(id: number, epoch: number, worker: string): void {
    expect(this.#claimed.has(`${id}/${epoch}`)).toBe(false);
    this.#claimed.add(`${id}/${epoch}`);
    const before = this.rules.get(id);
    expect({ status: before?.status, epoch: (before?.epoch ?? 0) + 1 }).toEqual({ status: 'pending', epoch });
    this.move(id, { status: 'running', epoch, attempt: (before?.attempt ?? 0) + 1, worker });
  }

  /** One look of the reconciler. */
  async repair(): Promise<void> {
    const living = new Set((await this.workers.list()).map(({ id }) => id));
    await this.#repair.look(never);
    const all = this.hosts.flatMap((host) => host.processes);
    const silent = (id: string) => {
      const process = all.find((one) => one.id === id);
      if (process === undefined) return true;
      return process.seenAt !== null && this.#clock - process.seenAt > LEASE_MS;
    };
    await this.compare((id, before, after) => {
      const lost =
        before.status === 'running' && (!living.has(before.worker ?? '') || silent(before.worker ?? ''));
      const again = before.attempt < MAX_ATTEMPTS ? 'pending' : 'failed_analysis';
      const over = before.status === 'pending' && before.attempt >= MAX_ATTEMPTS;
      expect({ id, from: before.status, to: after.status, may: lost || over }).toEqual({
        ...{ id, from: before.status, to: lost ? again : 'failed_analysis', may: true },
      });
    });
    for (const process of all) process.seenAt ??= this.#clock;
  }

  /** The rows are as the rules say; a change of status that no step made is held against `mayChange`. */
  async compare(mayChange?: (id: number, before: ModelTask, after: ModelTask) => void): Promise<void> {
    const rows = await this.db.manager.find(TaskRow, { order: { id: 'ASC' } });
    expect(rows.map(({ id }) => id)).toEqual([...this.rules.keys()]);
    for (const { id, status, epoch, attempt, worker, completedOn, outcome } of rows) {
      const before = this.rules.get(id) as ModelTask;
      const after = { status, epoch, attempt, worker: status === 'running' ? worker : null };
      if (mayChange !== undefined && status !== before.status) {
        mayChange(id, before, after);
        expect(after).toMatchObject({ epoch: before.epoch, attempt: before.attempt });
        this.#entered(id, before.status, status);
        this.rules.set(id, after);
      } else {
        expect({ id, ...after }).toEqual({
          id,
          ...before,
          worker: status === 'running' ? before.worker : null,
        });
      }
      expect(attempt).toBeLessThanOrEqual(MAX_ATTEMPTS);
      if (status === 'failed_analysis')
        expect({ id, completedOn, outcome }).toEqual({
          ...{ id, completedOn: expect.any(Date), outcome: expect.any(String) },
        });
      const owners = this.hosts
        .flatMap(({ runs }) => runs)
        .filter((run) => run.id === id && run.epoch === epoch);
      expect(owners.length).toBeLessThanOrEqual(1);
    }
  }

  /** A worker writes the report, if the task's job is in its queue. */
  async process(id: number, to: 'reported' | 'failed_processing'): Promise<void> {
    const [state] = await this.queues.states(PROCESSING_QUEUE, [id]);
    if (state !== 'present') return;
    const moved = await this.tasks.move(id, 'completed', to);
    expect(moved).toBe(this.rules.get(id)?.status === 'completed');
    if (moved) this.move(id, { status: to });
    await this.queues.remove(id);
  }

  #entered(id: number, from: TaskStatus, to: TaskStatus): void {
    if (from === to) return;
    expect({ id, from, to, may: canMove(from, to) }).toEqual({ id, from, to, may: true });
    if (TERMINAL.includes(to)) this.ends.set(id, (this.ends.get(id) ?? 0) + 1);
  }
}
