import { Controller, Get } from '@nestjs/common';
import { asked } from '#queue/lane-queue.js';
import { PROCESSING_QUEUE } from '#queue/queues.js';
import { tasksOnMachines } from '#storage/running-tasks.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { Describe } from '../openapi/operation.js';
import { shared } from '../../http/shared.js';
import { VERSION } from '../../version.js';
import { laneView, machineStateView } from './machine-state-view.js';
import { byState, workerViews } from './worker-view.js';
import { getSchedulerStatus } from './workers.docs.js';
import type { SchedulerStatus } from './workers-schema.js';

@Controller('scheduler')
export class SchedulerController {
  /** Many who ask at once cost as much as one. */
  readonly #now = shared(() => this.#status());

  constructor(private readonly by: Context) {}

  @Get('status')
  @Needs('read')
  @Describe(getSchedulerStatus)
  async status(): Promise<SchedulerStatus> {
    return this.#now();
  }

  async #status(): Promise<SchedulerStatus> {
    const { tasks, fleet, queues, db } = this.by;
    const [counts, now, running, depths, processing] = await Promise.all([
      tasks.counts(),
      fleet.now(),
      tasksOnMachines(db),
      asked(queues.redis, () => queues.lanes.depths()).catch(() => null), // Redis is away
      this.#processing().catch(() => null),
    ]);
    const quarantined = now.machines.filter(({ state }) => state === 'quarantined');
    return {
      version: VERSION,
      tasks: counts,
      machines: byState(now.machines),
      quarantined: quarantined.map((machine) => machineStateView(machine, running)),
      workers: workerViews(now),
      lanes: depths?.filter(({ waiting }) => waiting > 0).map(laneView) ?? null,
      processing,
    };
  }

  async #processing(): Promise<NonNullable<SchedulerStatus['processing']>> {
    const { queues } = this.by;
    const counts = await asked(queues.redis, () =>
      queues.get(PROCESSING_QUEUE).getJobCounts('wait', 'prioritized', 'delayed', 'active'),
    );
    const { wait = 0, prioritized = 0, delayed = 0, active = 0 } = counts;
    return { waiting: wait + prioritized + delayed, active };
  }
}
