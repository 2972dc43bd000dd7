import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { deadline } from '#domain/deadline.js';
import { quoted } from '#domain/quoted.js';
import { TERMINAL, type TaskStatus } from '#domain/task.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { Describe } from '../openapi/operation.js';
import { readId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { whenGone } from '../../http/when-gone.js';
import type { TaskView } from './task-schema.js';
import { taskView } from './task-view.js';
import { deleteTask, viewTask } from './tasks.docs.js';
import { readWait } from './wait.js';

@Controller('tasks')
export class TasksController {
  constructor(private readonly by: Context) {}

  @Get('view/:id')
  @Needs('read')
  @Describe(viewTask)
  async view(
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('id') idText: string,
    @Query('wait') wait?: unknown,
  ): Promise<{ task: TaskView }> {
    const id = readId(idText);
    const seconds = readWait(wait);
    let found = await this.by.tasks.find(id);
    if (found && seconds > 0 && !TERMINAL.includes(found.task.status)) {
      using limit = deadline(seconds * 1000, whenGone(reply, this.by.shutdown));
      await this.by.watch.changed(id, found.task.status, limit.signal);
      found = await this.by.tasks.find(id);
    }
    if (!found) throw problem(404, 'Task not found');
    return { task: taskView(found, this.by.home.targets) };
  }

  @Get('delete/:id')
  @Needs('admin')
  @Describe(deleteTask)
  async delete(@Param('id') idText: string, @Query('status') only?: unknown): Promise<{ status: 'OK' }> {
    const id = readId(idText);
    const status = await this.by.tasks.status(id);
    if (status === null) throw problem(404, 'Task not found');
    if (only !== undefined && only !== status) {
      const said = typeof only === 'string' ? only : 'several at once';
      throw problem(409, `The task is ${status}, not ${quoted(said)}: it was not deleted`);
    }
    if (status === 'running' || !(await this.#take(id, status))) {
      throw problem(500, 'The task is currently being processed, cannot delete');
    }
    await this.by.artifacts.remove(id, this.by.shutdown);
    return { status: 'OK' };
  }

  /** Out of the queues first: a worker that holds the job would write into the folder we are about to remove. */
  async #take(id: number, status: TaskStatus): Promise<boolean> {
    const { tasks, queues } = this.by;
    if (!TERMINAL.includes(status) && !(await queues.remove(id))) return false;
    return tasks.delete(id, [status]);
  }
}
