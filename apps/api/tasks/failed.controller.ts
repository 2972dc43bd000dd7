import { Controller, Get, HttpCode, HttpException, Param, Post, Query, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { reason, SandboxError } from '#domain/errors.js';
import { FAILED, failedTasks } from '#storage/failed-tasks.js';
import type { StoredTask } from '#storage/read-tasks.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { plainDateOrNull } from '../../http/dates.js';
import { readFields } from '../../http/json-form.js';
import { Describe } from '../openapi/operation.js';
import { readId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { CHANGED, examineAgain, isStored, replace, submissionOf } from './again.js';
import { formatCursor } from './cursor.js';
import { listFailed, retryTask, retryTasks } from './failed.docs.js';
import type { FailedTaskView, RetriedTask, RetriedTasks } from './failed-schema.js';
import { fromUnix, one, place, whole } from './list-query.js';
import { readRetry, type RetryWanted } from './retry-form.js';
import { targetOf } from './task-view.js';

/** Tasks of a page when the client does not say, and at most. */
const PAGE = { usual: 100, most: 1000 } as const;

/** What ended without a report, and what is done about it. */
@Controller('tasks')
export class FailedController {
  constructor(private readonly by: Context) {}

  @Get('failed')
  @Needs('read')
  @Describe(listFailed)
  async list(
    @Query() query: Record<string, unknown>,
  ): Promise<{ tasks: FailedTaskView[]; next_cursor: string | null }> {
    const [outcome, since] = [one(query, 'outcome'), one(query, 'since')];
    const limit = Math.min(whole(query, 'limit') ?? PAGE.usual, PAGE.most);
    const after = place(one(query, 'cursor'));
    const filter = {
      ...(outcome !== undefined && { outcome }),
      ...(since !== undefined && { since: fromUnix('since', since) }),
    };
    const page = await failedTasks(this.by.db, filter, { limit, order: 'newest first', after });
    const tasks = page.tasks.map((task) => failedView(task, this.by.home.targets));
    return { tasks, next_cursor: page.next && formatCursor(page.next) };
  }

  @Post('retry/:id')
  @HttpCode(200)
  @Needs('submit')
  @Describe(retryTask)
  async retryOne(@Param('id') idText: string): Promise<RetriedTask> {
    return this.#retry(readId(idText));
  }

  /** One after the other: each is one decision of SQL, and a client that goes away leaves the rest as it is. */
  @Post('retry')
  @HttpCode(200)
  @Needs('submit')
  @Describe(retryTasks)
  async retryMany(@Req() request: FastifyRequest): Promise<RetriedTasks> {
    const wanted = readRetry(await readFields(request, { outcome: 'vm_start_failed' }));
    const { ids, next } = await this.#idsOf(wanted);
    const retried: RetriedTask[] = [];
    const refused: RetriedTasks['refused'] = [];
    for (const id of ids) {
      try {
        retried.push(await this.#retry(id));
      } catch (error) {
        if (!(error instanceof HttpException || error instanceof SandboxError)) throw error;
        refused.push({ task_id: id, message: reason(error) });
      }
    }
    return { retried, task_ids: retried.map((one) => one.task_id), refused, next_cursor: next };
  }

  async #idsOf(
    wanted: RetryWanted,
  ): Promise<{ readonly ids: readonly number[]; readonly next: string | null }> {
    if ('ids' in wanted) return { ids: wanted.ids, next: null };
    const { filter, limit, after } = wanted;
    const { tasks, next } = await failedTasks(this.by.db, filter, { limit, order: 'oldest first', after });
    return { ids: tasks.map(({ task }) => task.id), next: next && formatCursor(next) };
  }

  /** @throws 404, 409 */
  async #retry(id: number): Promise<RetriedTask> {
    const found = await this.by.tasks.find(id);
    if (!found) throw problem(404, 'Task not found');
    const { task } = found;
    if (task.status === 'failed_analysis') {
      if (!(await isStored(task, this.by)))
        throw new SandboxError('SAMPLE_MISSING', 'The stored sample is gone: submit the file again');
      return { retried_id: id, task_id: await replace(task, submissionOf(task), this.by) };
    }
    if (!FAILED.some((status) => status === task.status))
      throw problem(409, `The task is ${task.status}: only one that failed can be retried`);
    if (!(await examineAgain(task, this.by))) throw problem(409, CHANGED);
    return { retried_id: id, task_id: id };
  }
}

function failedView({ task, guest, errors, lease }: StoredTask, targets: string): FailedTaskView {
  const machines = new Set([...lease.avoid, ...(guest === null ? [] : [guest.name])]);
  return {
    id: task.id,
    status: task.status as FailedTaskView['status'], // by the query
    outcome: task.outcome,
    reason: errors.at(-1) ?? null,
    attempts: lease.attempt,
    machines: [...machines],
    completed_on: plainDateOrNull(task.completedOn),
    target: targetOf(task, targets),
    owner: task.owner,
  };
}
