import { Controller, Get, Param } from '@nestjs/common';
import { formatOptions, parseOptions, type Submission, type Task } from '#domain/task.js';
import { insertTask } from '#storage/insert-task.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { Describe } from '../openapi/operation.js';
import { parseCount, readId } from '../../http/paths.js';
import { notFound, problem } from '../../http/problem.js';
import { accept } from './accept.js';
import { rebootTask, rereportTask, rescheduleTask } from './again.docs.js';
import { examineAgain, isStored, replace, submissionOf } from './again.js';

const NO_SUCH_TASK = 'There is no analysis with the specified ID';

/** What is done a second time with a task that is there. */
@Controller('tasks')
export class AgainController {
  constructor(private readonly by: Context) {}

  /** A new task in the old one's place, which becomes `recovered`. */
  @Get(['reschedule/:id', 'reschedule/:id/:priority'])
  @Needs('submit')
  @Describe(rescheduleTask)
  async reschedule(
    @Param('id') idText: string,
    @Param('priority') priorityText?: string,
  ): Promise<{ readonly status: 'OK'; readonly task_id: number }> {
    const task = await this.#task(idText, NO_SUCH_TASK);
    const priority = priorityText === undefined ? task.priority : parseCount(priorityText);
    if (priority === null) throw notFound();
    mustBeReplaceable(task);
    if (!(await isStored(task, this.by)))
      throw problem(500, 'An error occurred while trying to reschedule the task');
    return { status: 'OK', task_id: await replace(task, { ...submissionOf(task), priority }, this.by) };
  }

  /** Makes the report again from what is stored. */
  @Get('rereport/:id')
  @Needs('submit')
  @Describe(rereportTask)
  async rereport(@Param('id') idText: string): Promise<{ readonly success: boolean }> {
    const task = await this.#task(idText, 'Task not found');
    if (task.status !== 'reported') return { success: false };
    return { success: await examineAgain(task, this.by) };
  }

  /** A task that goes on with a machine where an earlier one left it: package `reboot`, on the same kind of machine. */
  @Get('reboot/:id')
  @Needs('submit')
  @Describe(rebootTask)
  async reboot(
    @Param('id') idText: string,
  ): Promise<{ readonly task_id: number; readonly reboot_id: number }> {
    const missing = 'Error creating reboot task';
    const task = await this.#task(idText, missing);
    const { sample } = task;
    if (sample === null || !(await isStored(task, this.by))) throw problem(404, missing);
    const wanted = rebootOf(task);
    return accept(this.by, null, async (db) => {
      const id = await insertTask(db, wanted, { sampleId: sample.id });
      return { answer: { task_id: task.id, reboot_id: id }, tasks: [{ ...wanted, id }] };
    });
  }

  async #task(idText: string, missing: string): Promise<Task> {
    const id = readId(idText);
    const found = await this.by.tasks.find(id);
    if (!found) throw problem(404, missing);
    return found.task;
  }
}

/** @throws 409 */
function mustBeReplaceable({ status }: Task): void {
  if (status === 'running') throw problem(409, 'The task is running: cancel it first, or wait for its end');
  if (status === 'recovered') throw problem(409, 'The task has been rescheduled already');
}

/** Of the old one's options only the name of the member counts: which file it is. */
function rebootOf(task: Task): Submission {
  const filename = parseOptions(task.options).get('filename');
  return {
    ...submissionOf(task),
    package: 'reboot',
    custom: String(task.id),
    priority: 1,
    timeout: 0,
    options: formatOptions(new Map(filename === undefined ? [] : [['filename', filename]])),
    memory: false,
    enforceTimeout: false,
    clock: null,
  };
}
