import { Readable } from 'node:stream';
import { Controller, Get, Param, Query, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { deadline } from '#domain/deadline.js';
import { TERMINAL, type TaskStatus } from '#domain/task.js';
import { removeAnalysis } from '#storage/analyses.js';
import type { TaskDetails, TaskFilter } from '#storage/task-details.js';
import { Context } from '../context.js';
import { parseCount, parseId } from '../paths.js';
import { notFound, problem } from '../problem.js';
import { SameSiteGuard } from '../same-site.guard.js';
import { whenGone } from '../when-gone.js';
import { readListQuery, type ListQuery } from './list-query.js';
import { taskIdView, taskView } from './task-view.js';

/** Tasks of a list that is answered in one piece; a longer one is streamed. */
const WHOLE_LIST = 200;
/** Seconds a request may wait for a change. */
const MAX_WAIT_S = 60;

@Controller('tasks')
export class TasksController {
  constructor(private readonly by: Context) {}

  @Get(['list', 'list/:limit', 'list/:limit/:offset'])
  async list(
    @Res() reply: FastifyReply,
    @Query() query: Record<string, unknown>,
    @Param('limit') limit?: string,
    @Param('offset') offset?: string,
  ): Promise<void> {
    const { filter, idsOnly } = readListQuery(query);
    const page = { ...count('limit', limit), ...count('offset', offset) };
    await this.#answerList(reply, filter, page, idsOnly);
  }

  @Get('view/:id')
  async view(
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('id') idText: string,
    @Query('wait') wait?: unknown,
  ): Promise<{ task: ReturnType<typeof taskView> }> {
    const id = parseId(idText);
    if (id === null) throw notFound();
    const seconds = readWait(wait);
    let found = await this.by.tasks.find(id);
    if (found && seconds > 0 && !TERMINAL.includes(found.task.status)) {
      using limit = deadline(seconds * 1000, AbortSignal.any([whenGone(reply), this.by.shutdown]));
      await this.by.watch.changed(id, found.task.status, limit.signal);
      found = await this.by.tasks.find(id);
    }
    if (!found) throw problem(404, 'Task not found');
    return { task: taskView(found, this.by.home.targets) };
  }

  @Get('delete/:id')
  @UseGuards(SameSiteGuard)
  async delete(@Param('id') idText: string): Promise<{ status: 'OK' }> {
    const id = parseId(idText);
    if (id === null) throw notFound();
    const status = await this.by.tasks.status(id);
    if (status === null) throw problem(404, 'Task not found');
    if (status === 'running' || !(await this.#take(id, status))) {
      throw problem(500, 'The task is currently being processed, cannot delete');
    }
    await removeAnalysis(this.by.home.analyses, id);
    return { status: 'OK' };
  }

  /** Out of the queues first: a worker that holds the job would write into the folder we are about to remove. */
  async #take(id: number, status: TaskStatus): Promise<boolean> {
    const { tasks, queues } = this.by;
    if (!TERMINAL.includes(status) && !(await queues.remove(id))) return false;
    return tasks.delete(id, [status]);
  }

  async #answerList(
    reply: FastifyReply,
    filter: TaskFilter | null,
    page: { limit?: number; offset?: number },
    idsOnly: ListQuery['idsOnly'],
  ): Promise<void> {
    const show = (details: TaskDetails) =>
      idsOnly ? taskIdView(details) : taskView(details, this.by.home.targets);
    const tasks = filter === null ? none() : this.by.tasks.list(filter, page);
    const first: unknown[] = [];
    for (let next = await tasks.next(); ; next = await tasks.next()) {
      if (next.done === true) {
        await reply.send({ tasks: first });
        return;
      }
      first.push(show(next.value));
      if (first.length === WHOLE_LIST) break;
    }
    void reply.header('content-type', 'application/json');
    await reply.send(Readable.from(listText(first, tasks, show)));
  }
}

/** `{"tasks": [...]}` as it becomes known: a list of a million tasks is never whole in memory. */
async function* listText(
  first: readonly unknown[],
  rest: AsyncIterable<TaskDetails>,
  show: (details: TaskDetails) => unknown,
): AsyncGenerator<string> {
  yield `{"tasks":[${first.map((task) => JSON.stringify(task)).join(',')}`;
  for await (const details of rest) yield `,${JSON.stringify(show(details))}`;
  yield ']}';
}

async function* none(): AsyncGenerator<TaskDetails> {
  // a status that no task ever has
}

function count<const K extends string>(name: K, text: string | undefined): Partial<Record<K, number>> {
  if (text === undefined) return {};
  const value = parseCount(text);
  if (value === null) throw notFound();
  return { [name]: value } as Record<K, number>;
}

function readWait(wait: unknown): number {
  if (wait === undefined || wait === '') return 0;
  const seconds = typeof wait === 'string' && /^\d{1,9}(\.\d{1,3})?$/.test(wait) ? Number(wait) : NaN;
  if (Number.isNaN(seconds)) throw problem(400, `"wait" must be a number of seconds, at most ${MAX_WAIT_S}`);
  return Math.min(seconds, MAX_WAIT_S);
}
