import { Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { send } from '#queue/mail.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { Describe } from '../openapi/operation.js';
import { problem } from '../../http/problem.js';
import { VERSION } from '../../version.js';
import { workerViews } from './worker-view.js';
import { drainWorker, listWorkers } from './workers.docs.js';
import type { WorkerView } from './workers-schema.js';

@Controller('workers')
export class WorkersController {
  constructor(private readonly by: Context) {}

  @Get('list')
  @Needs('read')
  @Describe(listWorkers)
  async list(): Promise<{ version: string; workers: WorkerView[] }> {
    return { version: VERSION, workers: workerViews(await this.by.fleet.now()) };
  }

  @Post('drain/:name')
  @HttpCode(200)
  @Needs('admin')
  @Describe(drainWorker)
  async drain(@Param('name') name: string): Promise<{ status: 'OK'; workers: string[] }> {
    const { workers, queues } = this.by;
    if (name.includes('\0') || !(await workers.drain(name))) throw problem(404, 'Worker not found');
    const ids = (await workers.list()).filter((one) => one.name === name).map(({ id }) => id);
    await Promise.all(ids.map((id) => send(queues.redis, id, { kind: 'machines' })));
    return { status: 'OK', workers: ids };
  }
}
