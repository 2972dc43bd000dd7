import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { meterRequests, RequestTimes } from '../../http/request-times.js';
import { watchProcess } from '../../metrics/process-metrics.js';
import { seriesOf, type MetricJson } from '../../metrics/series.js';

/** What this controller counts. */
export class DistMetrics {
  readonly #registry = new Registry();
  readonly #process = watchProcess(this.#registry, { process: 'distributed' });
  readonly #requests = new RequestTimes();

  async series(): Promise<readonly MetricJson[]> {
    return [...(await seriesOf(this.#registry)), this.#requests.series()];
  }

  /** Until the API closes. */
  meter(fastify: FastifyInstance): void {
    meterRequests(fastify, this.#requests);
    fastify.addHook('onClose', async () => this.#process[Symbol.dispose]());
  }
}
