import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createHttpServer, TIME_LIMITS, type TimeLimits } from '../http/server.js';
import { DISTRIBUTED, rewriteUrl } from './api/presentations.js';
import type { Context } from './context.js';
import { DistributedModule } from './distributed.module.js';
import { DistMetrics } from './metrics/dist-metrics.js';

/** The Distributed API, not yet listening. */
export async function createServer(
  context: Context,
  limits: TimeLimits = TIME_LIMITS,
): Promise<NestFastifyApplication> {
  const { host, tokens, rateLimit } = context.settings;
  const metrics = new DistMetrics();
  return createHttpServer({
    module: () => DistributedModule.with(context, metrics),
    gate: { host, tokens, rateLimit },
    presentation: DISTRIBUTED,
    rewriteUrl,
    meter: (fastify) => metrics.meter(fastify),
    log: context.log,
    limits,
  });
}
