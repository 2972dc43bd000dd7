import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { CUCKOO } from '../http/presentation.js';
import { createHttpServer, TIME_LIMITS, type TimeLimits } from '../http/server.js';
import { ApiModule } from './api.module.js';
import type { Context } from './context.js';

/** The API, not yet listening. */
export async function createServer(
  context: Context,
  limits: TimeLimits = TIME_LIMITS,
): Promise<NestFastifyApplication> {
  const { api, tokens } = context.settings;
  return createHttpServer({
    module: (routes) => ApiModule.with(context, routes),
    gate: { host: api.host, tokens, rateLimit: api.rate_limit },
    presentation: CUCKOO,
    meter: (fastify) => context.metrics.meter(fastify),
    log: context.log,
    limits,
  });
}
