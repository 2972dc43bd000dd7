import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Counter, Histogram, Registry } from 'prom-client';
import type { OutcomeCode } from '#domain/outcome.js';
import { watchProcess } from './process-metrics.js';
import { isLasting, negated, seriesOf, type MetricJson } from './series.js';
import { pushSnapshot, type Push, type Snapshot } from './snapshots.js';
import { sum } from './sum.js';

/** Milliseconds between two snapshots. */
const PUSH_MS = 5000;
/** Milliseconds that the last snapshot may take: a Redis that is away must not hold up the end. */
const LAST_PUSH_MS = 1000;

/** Seconds: from a resumed machine to an hour of processing. */
const SECONDS = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
];

/** What the reconciler may repair, as it names it. */
type Repaired = Readonly<Record<'enqueued' | 'takenBack' | 'failed', readonly number[]>>;

/**
 * What one worker counts. The API, not the worker, is scraped: every few seconds a snapshot goes to Redis, where the API
 * finds those of all workers and adds them up.
 */
export class WorkerMetrics implements Disposable {
  readonly #registry = new Registry();
  readonly #registers = [this.#registry];
  readonly #process: Disposable;

  readonly #phases = new Histogram({
    name: 'malkoha_phase_seconds',
    help: 'How long the phases of analyses and examinations took.',
    labelNames: ['phase'],
    buckets: SECONDS,
    registers: this.#registers,
  });
  readonly #started = new Counter({
    name: 'malkoha_runs_started_total',
    help: 'Runs that were begun on a machine; a task that is tried again has several.',
    registers: this.#registers,
  });
  readonly #outcomes = new Counter({
    name: 'malkoha_outcomes_total',
    help: 'Runs that ended, by how.',
    labelNames: ['outcome'],
    registers: this.#registers,
  });
  readonly #waits = new Histogram({
    name: 'malkoha_dispatch_wait_seconds',
    help: 'How long tasks waited in their lane until a machine took them.',
    buckets: SECONDS,
    registers: this.#registers,
  });
  readonly #bytes = new Counter({
    name: 'malkoha_result_server_bytes_total',
    help: 'Bytes that guests sent to the result server.',
    registers: this.#registers,
  });
  readonly #repaired = new Counter({
    name: 'malkoha_reconciler_repaired_total',
    help: 'Tasks that the reconciler repaired, by what it did.',
    labelNames: ['repair'],
    registers: this.#registers,
  });

  #reconciledAt: number | null = null;
  #pushed: readonly MetricJson[] | null = null;
  /** Counts of ours that a reader took for those of a worker that has ended: they are in Redis already. */
  #folded: readonly MetricJson[] = [];

  /** `id` names the process, `name` stays over restarts. */
  constructor(private readonly worker: { readonly id: string; readonly name: string }) {
    this.#process = watchProcess(this.#registry, { process: 'worker', worker: worker.name });
  }

  /** A phase of an analysis, or of its examination, has ended. */
  phase(name: string, ms: number): void {
    this.#phases.observe({ phase: name }, ms / 1000);
  }

  outcome(code: OutcomeCode): void {
    this.#outcomes.inc({ outcome: code });
  }

  started(): void {
    this.#started.inc();
  }

  /** A task got a machine after so many milliseconds in its lane. */
  dispatched(ms: number): void {
    this.#waits.observe(Math.max(0, ms) / 1000);
  }

  resultBytes(bytes: number): void {
    this.#bytes.inc(bytes);
  }

  /** A round of the reconciler was done. */
  reconciled(repaired: Repaired): void {
    this.#reconciledAt = performance.now();
    for (const [repair, ids] of Object.entries(repaired))
      this.#repaired.inc({ repair: repair === 'takenBack' ? 'taken_back' : repair }, ids.length);
  }

  /** Pushes now and every five seconds until it is disposed; then once more, to say that this worker ends. */
  publish(redis: Redis, onError: (error: unknown) => void): AsyncDisposable {
    let last = this.push(redis).catch(onError);
    let pending = true;
    const settle = () => (pending = false);
    void last.then(settle);
    const timer = setInterval(() => {
      if (pending) return; // Redis is away: the next snapshot says all that this one would
      pending = true;
      last = this.push(redis).catch(onError);
      void last.then(settle);
    }, PUSH_MS);
    return {
      [Symbol.asyncDispose]: async () => {
        clearInterval(timer);
        const end = async (): Promise<void> => {
          await last;
          if (this.#pushed !== null) await this.push(redis, 'last');
        };
        await Promise.race([end().catch(onError), sleep(LAST_PUSH_MS, undefined, { ref: false })]);
      },
    };
  }

  async push(redis: Redis, last?: 'last'): Promise<void> {
    const snapshot = await this.#snapshot();
    const turn = this.#pushed === null ? 'first' : (last ?? 'again');
    if (await this.#send(redis, { id: this.worker.id, snapshot, turn })) return;
    // We were silent for so long that we were given up, or Redis lost everything.
    this.#folded = await sum([this.#folded, (this.#pushed ?? []).filter(isLasting)]);
    await this.#send(redis, { id: this.worker.id, snapshot: await this.#snapshot(), turn: 'first' });
  }

  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]();
  }

  async #send(redis: Redis, push: Push): Promise<boolean> {
    const done = await pushSnapshot(redis, push);
    if (done) this.#pushed = push.snapshot.metrics;
    return done;
  }

  async #snapshot(): Promise<Snapshot> {
    const ago = this.#reconciledAt === null ? null : (performance.now() - this.#reconciledAt) / 1000;
    const metrics = await sum([await seriesOf(this.#registry), negated(this.#folded)]);
    return { name: this.worker.name, reconciledAgo: ago, metrics };
  }
}
