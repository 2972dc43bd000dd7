import { Controller, Get, Headers, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Needs, Unlimited } from '../../http/access/needs.js';
import { Readiness } from '../../http/readiness.js';
import { shared } from '../../http/shared.js';
import { CONTENT_TYPES, expose, expositionFor } from '../../metrics/sum.js';
import { Context } from '../context.js';
import { DistMetrics } from './dist-metrics.js';
import { nodeSeries } from './node-metrics.js';

@Controller()
export class MetricsController {
  /** Scrapers that ask at once are told the same. */
  readonly #parts = shared(async () => [
    await this.metrics.series(),
    await nodeSeries(this.by, this.readiness),
  ]);

  constructor(
    private readonly by: Context,
    private readonly metrics: DistMetrics,
    private readonly readiness: Readiness,
  ) {}

  @Get('metrics')
  @Needs('read')
  @Unlimited()
  async get(@Res() reply: FastifyReply, @Headers('accept') accept?: string): Promise<void> {
    const format = expositionFor(accept);
    const text = await expose(await this.#parts(), format);
    await reply.header('content-type', CONTENT_TYPES[format]).send(text);
  }
}
