import { Module, type DynamicModule } from '@nestjs/common';
import { NodeChangesController } from './api/node-changes.controller.js';
import { NodesController } from './api/nodes.controller.js';
import { RemoveNodeController } from './api/remove-node.controller.js';
import { ReportsController } from './api/reports.controller.js';
import { SubmitController } from './api/submit.controller.js';
import { TasksController } from './api/tasks.controller.js';
import { CheckController } from './check/check.controller.js';
import { Readiness } from '../http/readiness.js';
import { Context } from './context.js';
import { checksOf, nodesAway } from './health/checks.js';
import { HealthController } from './health/health.controller.js';
import { StatsController } from './stats/stats.controller.js';
import { StatusController } from './status/status.controller.js';
import { DistMetrics } from './metrics/dist-metrics.js';
import { MetricsController } from './metrics/metrics.controller.js';

@Module({})
export class DistributedModule {
  static with(context: Context, metrics: DistMetrics): DynamicModule {
    return {
      module: DistributedModule,
      controllers: [
        NodesController,
        NodeChangesController,
        RemoveNodeController,
        CheckController,
        SubmitController,
        TasksController,
        ReportsController,
        StatusController,
        StatsController,
        HealthController,
        MetricsController,
      ],
      providers: [
        { provide: Context, useValue: context },
        { provide: DistMetrics, useValue: metrics },
        { provide: Readiness, useValue: new Readiness(checksOf(context), () => nodesAway(context)) },
      ],
    };
  }
}
