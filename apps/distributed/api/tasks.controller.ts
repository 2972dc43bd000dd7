import { Readable } from 'node:stream';
import { Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { reason } from '#domain/errors.js';
import { Needs } from '../../http/access/needs.js';
import { readForm } from '../../http/form.js';
import { parseId, readId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { Context } from '../context.js';
import { cancelTask } from './cancel-task.js';
import { deleteTask } from './delete-task.js';
import { hasBody } from './fields-of.js';
import { readListQuery } from './list-query.js';
import { pagesOf, tasksJson } from './list-tasks.js';
import { both, done, isApi } from './presentations.js';
import { TaskViews } from './task-view.js';

@Controller()
export class TasksController {
  constructor(private readonly by: Context) {}

  @Get(both('task'))
  @Needs('read')
  async list(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Query() query: Record<string, unknown>,
  ): Promise<void> {
    const pages = pagesOf(this.by, readListQuery(query));
    // The first one is read before the answer begins: what fails now is still told.
    const first = await pages.next();
    const json = Readable.from(tasksJson(new TaskViews(this.by, isApi(request)), first, pages));
    json.on('error', (error) => this.by.log('error', `half of a list was sent: ${reason(error)}`));
    await reply.header('content-type', 'application/json').send(json);
  }

  @Get(both('task/:id'))
  @Needs('read')
  async get(@Req() request: FastifyRequest, @Param('id') idText: string): Promise<object> {
    const row = await this.by.tasks.find(readId(idText));
    if (!row) throw problem(404, 'Task not found');
    const [view] = await new TaskViews(this.by, isApi(request)).of([row]);
    const tasks = { [row.id]: view };
    return isApi(request) ? { success: true, tasks } : { tasks };
  }

  @Delete(both('task/:id'))
  @Needs('admin')
  async delete(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('id') idText: string,
  ): Promise<object | string> {
    const result = await deleteTask(this.by, readId(idText));
    if (result === 'unknown') throw problem(404, 'Task not found');
    if (result === 'already') return { success: false, message: 'Task already deleted' };
    return done(request, reply);
  }

  /** Ours: ended, but kept; `failed` is what it then is. */
  @Post(both('task/:id/cancel'))
  @Needs('submit')
  @HttpCode(200)
  async cancel(@Param('id') idText: string): Promise<object> {
    const result = await cancelTask(this.by, readId(idText));
    if (result === 'unknown') throw problem(404, 'Task not found');
    if (result === 'ended') throw problem(409, 'The task has ended already');
    return { success: true };
  }

  /** `task_ids`: ids with blanks between them, in a form or the query. Those that are not there are passed over. */
  @Delete(both('tasks'))
  @Needs('admin')
  async deleteMany(@Req() request: FastifyRequest, @Query('task_ids') query?: unknown): Promise<object> {
    const text =
      (hasBody(request) ? (await readForm(request, undefined, ['task_ids'])).get('task_ids') : undefined) ??
      query;
    for (const id of readIds(text ?? '')) await deleteTask(this.by, id);
    return { success: true };
  }
}

/** @throws 400 */
function readIds(text: unknown): readonly number[] {
  const words = (typeof text === 'string' ? text : '[]').split(/[\s,]+/).filter((word) => word !== '');
  return words.map((word) => {
    const id = parseId(word);
    if (id === null) throw problem(400, '"task_ids" must be numbers with blanks between them, such as "1 2"');
    return id;
  });
}
