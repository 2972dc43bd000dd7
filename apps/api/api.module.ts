import { Module, type DynamicModule } from '@nestjs/common';
import { Context } from './context.js';
import { Gatherer } from './downloads/gatherer.js';
import { FilesController } from './files.controller.js';
import { checksOf, skew } from './health/checks.js';
import { HealthController } from './health/health.controller.js';
import { MachinesController } from './machines.controller.js';
import { MetricsController } from './metrics/metrics.controller.js';
import { OpenApiController } from './openapi/openapi.controller.js';
import { RefusedController } from './refused.controller.js';
import { Readiness } from '../http/readiness.js';
import { RouteTable } from '../http/route-table.js';
import { MachineStatesController } from './scheduling/machine-states.controller.js';
import { SchedulerController } from './scheduling/scheduler.controller.js';
import { WorkersController } from './scheduling/workers.controller.js';
import { StatusController } from './status.controller.js';
import { AgainController } from './tasks/again.controller.js';
import { CancelController } from './tasks/cancel.controller.js';
import { CreateFileController } from './tasks/create-file.controller.js';
import { CreateSubmitController } from './tasks/create-submit.controller.js';
import { CreateUrlController } from './tasks/create-url.controller.js';
import { EventsController } from './tasks/events.controller.js';
import { EvidenceController } from './tasks/evidence.controller.js';
import { ExplainController } from './tasks/explain.controller.js';
import { FailedController } from './tasks/failed.controller.js';
import { ListController } from './tasks/list.controller.js';
import { ReportController } from './tasks/report.controller.js';
import { ShotsController } from './tasks/shots.controller.js';
import { TasksController } from './tasks/tasks.controller.js';
import { WebhooksController } from './webhooks/webhooks.controller.js';

@Module({})
export class ApiModule {
  static with(context: Context, routes: RouteTable): DynamicModule {
    return {
      module: ApiModule,
      controllers: [
        CreateFileController,
        CreateUrlController,
        CreateSubmitController,
        AgainController,
        TasksController,
        ListController,
        FailedController,
        EventsController,
        CancelController,
        ExplainController,
        ReportController,
        ShotsController,
        EvidenceController,
        FilesController,
        MachinesController,
        MachineStatesController,
        WorkersController,
        SchedulerController,
        StatusController,
        HealthController,
        MetricsController,
        RefusedController,
        WebhooksController,
        OpenApiController,
      ],
      providers: [
        { provide: Context, useValue: context },
        { provide: RouteTable, useValue: routes },
        Gatherer,
        { provide: Readiness, useValue: new Readiness(checksOf(context), () => skew(context)) },
      ],
    };
  }
}
