import { Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ERRORS, reason } from '#domain/errors.js';
import { send } from '#queue/mail.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { Describe } from '../openapi/operation.js';
import { readId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { cancelTask } from './cancel.docs.js';

const CANCELLED = `Cancelled by a request [CANCELLED] ${ERRORS.CANCELLED.help}`;

@Controller('tasks/cancel')
export class CancelController {
  constructor(private readonly by: Context) {}

  /** pending or running → failed_analysis. A worker that runs it hears of that, and powers the machine off. */
  @Post(':id')
  @HttpCode(200)
  @Needs('submit')
  @Describe(cancelTask)
  async cancel(@Param('id') idText: string): Promise<{ status: 'OK' }> {
    const id = readId(idText);
    const { tasks, queues, log } = this.by;
    const cancelled = await tasks.cancel(id, CANCELLED);
    if (cancelled === null) {
      const status = await tasks.status(id);
      if (status === null) throw problem(404, 'Task not found');
      if (status === 'completed')
        throw problem(409, 'The analysis is done; only its report is still to be written');
      throw problem(409, `The task has already ended: it is ${status}`);
    }
    if (cancelled.worker !== null) await send(queues.redis, cancelled.worker, { kind: 'tasks' });
    // SQL has decided: a job that stays is dropped by the worker that takes it.
    await queues.remove(id).catch((error: unknown) => log('debug', reason(error), { task: id }));
    return { status: 'OK' };
  }
}
