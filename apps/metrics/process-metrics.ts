import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, type Registry } from 'prom-client';

/** Milliseconds between two looks at the event loop. */
const RESOLUTION_MS = 10;

/** `process`: api, worker; a worker says which. */
export type ProcessLabels = Readonly<Record<'process', string> & Partial<Record<'worker', string>>>;

/**
 * How late the event loop of this process is, its memory and its processor time. The lag is of the time since it was last
 * read.
 */
export function watchProcess(registry: Registry, labels: ProcessLabels): Disposable {
  const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  loop.enable();
  const labelNames = Object.keys(labels);
  const registers = [registry];
  new Gauge({
    name: 'malkoha_event_loop_lag_seconds',
    help: 'How late the event loop turned since it was last read: median, 99th percentile, worst.',
    labelNames: [...labelNames, 'stat'],
    registers,
    collect() {
      // It measures from look to look: what is beyond the pause between them is late.
      const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3) || 0;
      this.set({ ...labels, stat: 'p50' }, late(loop.percentile(50)));
      this.set({ ...labels, stat: 'p99' }, late(loop.percentile(99)));
      this.set({ ...labels, stat: 'max' }, loop.count === 0 ? 0 : late(loop.max));
      loop.reset();
    },
  });
  new Gauge({
    name: 'malkoha_resident_memory_bytes',
    help: 'Memory that the process has.',
    labelNames,
    registers,
    collect() {
      this.set(labels, process.memoryUsage.rss());
    },
  });
  new Counter({
    name: 'malkoha_cpu_seconds_total',
    help: 'Processor time of the process, of all its threads.',
    labelNames,
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc(labels, (user + system) / 1e6);
    },
  });
  return { [Symbol.dispose]: () => loop.disable() };
}
