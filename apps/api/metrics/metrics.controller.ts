import { Controller, Get, Headers, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CONTENT_TYPES, expose, type Exposition } from '../../metrics/sum.js';
import { Needs, Unlimited } from '../access/needs.js';
import { Context } from '../context.js';
import { Readiness } from '../health/readiness.js';
import { Describe } from '../openapi/operation.js';
import { shared } from '../shared.js';
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
    const format = wanted(accept);
    const text = await expose(await this.#parts(), format);
    await reply.header('content-type', CONTENT_TYPES[format]).send(text);
  }
}

/** OpenMetrics 1.0.0 for who takes it at least as gladly as plain text. */
function wanted(accept = ''): Exposition {
  const types = accept.split(',').map((one) => {
    const [type = '', ...parameters] = one.split(';').map((part) => part.trim().toLowerCase());
    const value = (name: string) => parameters.find((part) => part.startsWith(`${name}=`))?.split('=')[1];
    return { type, version: value('version'), q: Number(value('q') ?? 1) || 0 };
  });
  const open = types
    .filter(
      ({ type, version }) => type === 'application/openmetrics-text' && (version ?? '1.0.0') === '1.0.0',
    )
    .map(({ q }) => q);
  const plain = types.filter(({ type }) => type === 'text/plain').map(({ q }) => q);
  const [best, other] = [Math.max(0, ...open), Math.max(0, ...plain)];
  return best > 0 && best >= other ? 'openmetrics' : 'prometheus';
}
