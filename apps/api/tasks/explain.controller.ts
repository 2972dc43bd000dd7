import { Controller, Get, Param } from '@nestjs/common';
import { reason } from '#domain/errors.js';
import { serves } from '#domain/machine.js';
import { MAX_ATTEMPTS, type Task } from '#domain/task.js';
import type { LanePlace } from '#queue/lane-queue.js';
import { laneOf } from '#domain/lanes.js';
import { toMachine } from '#storage/machines.js';
import { recentRunSeconds } from '#storage/recent-runs.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { mustHaveSpace } from '../../disk.js';
import { Describe } from '../openapi/operation.js';
import { readId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import type { FleetMachine } from '../scheduling/fleet.js';
import { shared } from '../../http/shared.js';
import { explainTask, type ExplanationView } from './explain.docs.js';
import { explain, usableOf, type Candidate, type Facts } from './explain.js';

@Controller('tasks/explain')
export class ExplainController {
  readonly #runSeconds = shared(() => recentRunSeconds(this.by.db));

  constructor(private readonly by: Context) {}

  /** Why the task is where it is. `lane`, `ahead`, `position` and `estimate` are null when it does not wait for its turn. */
  @Get(':id')
  @Needs('read')
  @Describe(explainTask)
  async explain(@Param('id') idText: string): Promise<ExplanationView> {
    const id = readId(idText);
    const found = await this.by.tasks.find(id);
    if (!found) throw problem(404, 'Task not found');
    const { task, guest, lease, errors } = found;
    const facts: Facts = {
      ...(await this.#facts(task)),
      ...{ status: task.status, outcome: task.outcome, machine: guest?.name ?? null },
      patience: this.by.settings.scheduler.patience,
      ...{ attempts: lease.attempt, maxAttempts: MAX_ATTEMPTS, lastError: errors.at(-1) ?? null },
    };
    const { reason, message, ahead, estimate } = explain(facts);
    return {
      task_id: id,
      status: task.status,
      reason,
      message,
      lane: ahead === null ? null : laneOf(task),
      ahead,
      position: ahead === null ? null : ahead + 1,
      machines: usableOf(facts.candidates),
      estimate,
      outcome: facts.outcome,
      attempts: facts.attempts,
      last_error: facts.lastError,
    };
  }

  async #facts(task: Task): Promise<Pick<Facts, 'alive' | 'candidates' | 'disk' | 'place' | 'runSeconds'>> {
    const pending = task.status === 'pending';
    const [{ machines }, disk, place, runSeconds] = await Promise.all([
      this.by.fleet.now(),
      pending ? this.#diskFull() : null,
      pending ? this.#place(task) : null,
      pending ? this.#runSeconds() : null,
    ]);
    const candidates = machines.filter(({ row }) => serves(toMachine(row), task)).map(candidate);
    return { alive: machines.filter(({ manned }) => manned).length, candidates, disk, place, runSeconds };
  }

  async #diskFull(): Promise<string | null> {
    const { home, settings } = this.by;
    return mustHaveSpace(home.storage, settings.cuckoo.freespace).then(() => null, reason);
  }

  async #place(task: Task): Promise<LanePlace | null> {
    return this.by.queues.place(task.id).catch(() => null);
  }
}

function candidate({ row, manned, worker, state, reason }: FleetMachine): Candidate {
  const known = { name: worker?.name ?? row.worker, paused: worker?.paused ?? null };
  return {
    ...{ name: row.name, state, reason, nextTest: row.retryOn },
    worker: manned ? known : null,
  };
}
