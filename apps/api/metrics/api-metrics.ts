import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { Gauge, Registry } from 'prom-client';
import { meterRequests, RequestTimes } from '../../http/request-times.js';
import { watchProcess } from '../../metrics/process-metrics.js';
import { seriesOf, type MetricJson } from '../../metrics/series.js';

/** What this process of the API counts. */
export class ApiMetrics implements AsyncDisposable {
  readonly #registry = new Registry();
  readonly #process = watchProcess(this.#registry, { process: 'api' });
  readonly #requests = new RequestTimes();
  readonly #streams = new Gauge({
    name: 'malkoha_event_streams',
    help: 'Event streams that are open.',
    registers: [this.#registry],
  });

  readonly #streaming = new WeakSet<ServerResponse>();

  async series(): Promise<readonly MetricJson[]> {
    return [...(await seriesOf(this.#registry)), this.#requests.series()];
  }

  /** Times each request that is answered, but event streams: they last as long as their clients like. */
  meter(fastify: FastifyInstance): void {
    meterRequests(fastify, this.#requests, ({ raw }) => this.#streaming.has(raw));
  }

  /** An event stream is open until its answer closes. */
  stream(raw: ServerResponse): void {
    this.#streaming.add(raw);
    this.#streams.inc();
    raw.once('close', () => this.#streams.dec());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process[Symbol.dispose]();
  }
}
