import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { Gauge, Registry } from 'prom-client';
import { watchProcess } from '../../metrics/process-metrics.js';
import { seriesOf, type MetricJson } from '../../metrics/series.js';
import { RequestTimes } from './request-times.js';

/** The route of a path that is not there. */
const NONE = 'none';

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
    fastify.addHook('onResponse', (request, reply, done) => {
      if (!this.#streaming.has(reply.raw)) {
        // A client may call any path, and with many methods: only those that are there become series.
        const { url: route = NONE } = request.routeOptions;
        const method = route === NONE ? NONE : request.method;
        this.#requests.observe({
          route,
          method,
          status: reply.statusCode,
          seconds: reply.elapsedTime / 1000,
        });
      }
      done();
    });
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
