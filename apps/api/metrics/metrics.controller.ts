import { Controller, Get, Headers, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CONTENT_TYPES, expose, expositionFor } from '../../metrics/sum.js';
import { Needs, Unlimited } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { Describe } from '../openapi/operation.js';
import { Readiness } from '../../http/readiness.js';
import { shared } from '../../http/shared.js';
import { labSeries } from './lab-metrics.js';
import { getMetrics } from './metrics.docs.js';

@Controller()
export class MetricsController {
  /** Scrapers that ask at once are told the same. */
  readonly #parts = shared(async () => [
    await this.by.metrics.series(),
    ...(await labSeries(this.by, this.readiness)),
  ]);

  constructor(
    private readonly by: Context,
    private readonly readiness: Readiness,
  ) {}

  @Get('metrics')
  @Needs('read')
  @Unlimited()
  @Describe(getMetrics)
  async metrics(@Res() reply: FastifyReply, @Headers('accept') accept?: string): Promise<void> {
    const format = expositionFor(accept);
    const text = await expose(await this.#parts(), format);
    await reply.header('content-type', CONTENT_TYPES[format]).send(text);
  }
}
