import { Controller, Get, Param } from '@nestjs/common';
import { reason } from '#domain/errors.js';
import { serves } from '#domain/machine.js';
import type { Task } from '#domain/task.js';
import type { LanePlace } from '#queue/lane-queue.js';
import { laneOf } from '#queue/lanes.js';
import { workerIsGone } from '#queue/worker-id.js';
import { toMachine } from '#storage/machines.js';
import { recentRunSeconds } from '#storage/recent-runs.js';
import { Needs } from '../access/needs.js';
import { Context } from '../context.js';
import { mustHaveSpace } from '../disk.js';
import { Describe } from '../openapi/operation.js';
import { readId } from '../paths.js';
import { problem } from '../problem.js';
import { explainTask, type ExplanationView } from './explain.docs.js';
import { explain, type Facts } from './explain.js';

@Controller('tasks/explain')
export class ExplainController {
  constructor(private readonly by: Context) {}

  /** Why the task is where it is. `lane`, `ahead`, `position` and `estimate` are null when it does not wait for its turn. */
  @Get(':id')
  @Needs('read')
  @Describe(explainTask)
  async explain(@Param('id') idText: string): Promise<ExplanationView> {
    const id = readId(idText);
    const found = await this.by.tasks.find(id);
    if (!found) throw problem(404, 'Task not found');
    const { task, guest } = found;
    const facts = { ...(await this.#facts(task)), status: task.status, machine: guest?.name ?? null };
    const { reason, message, ahead, estimate } = explain(facts);
    const { matching, free } = facts.machines;
    return {
      task_id: id,
      status: task.status,
      reason,
      message,
      lane: ahead === null ? null : laneOf(task),
      ahead,
      position: ahead === null ? null : ahead + 1,
      machines: { matching, free },
      estimate,
    };
  }

  async #facts(task: Task): Promise<Omit<Facts, 'status' | 'machine'>> {
    const pending = task.status === 'pending';
    const [machines, disk, place, runSeconds] = await Promise.all([
      this.#machines(task),
      pending ? this.#diskFull() : null,
      pending ? this.#place(task) : null,
      pending ? recentRunSeconds(this.by.db) : null,
    ]);
    return { machines, disk, place, runSeconds };
  }

  async #machines(task: Task): Promise<Facts['machines']> {
    const alive = (await this.by.machines.list()).filter((row) => !workerIsGone(row.worker));
    const matching = alive.filter((row) => serves(toMachine(row), task));
    return {
      alive: alive.length,
      matching: matching.length,
      free: matching.filter((row) => !row.locked).length,
    };
  }

  async #diskFull(): Promise<string | null> {
    const { home, settings } = this.by;
    return mustHaveSpace(home.storage, settings.cuckoo.freespace).then(() => null, reason);
  }

  async #place(task: Task): Promise<LanePlace | null> {
    return this.by.queues.place(task.id).catch(() => null);
  }
}
