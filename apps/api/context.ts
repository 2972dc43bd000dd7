import type { Unpacker } from '#archives/unpacker.js';
import type { HomePaths } from '#config/home.js';
import type { CuckooSettings } from '#config/cuckoo-settings.js';
import type { ArtifactStore } from '#storage/artifacts/store.js';
import type { EventLog } from '#queue/events.js';
import type { MachineNotes } from '#queue/machine-notes.js';
import type { Queues } from '#queue/queues.js';
import type { Deliveries } from '#storage/deliveries.js';
import type { Machines } from '#storage/machines.js';
import type { Tasks } from '#storage/tasks.js';
import type { Webhooks } from '#storage/webhooks.js';
import type { Workers } from '#storage/workers.js';
import type { DataSource } from 'typeorm';
import type { Log } from '../log.js';
import type { FactsThreads } from './facts/facts-threads.js';
import type { ApiMetrics } from './metrics/api-metrics.js';
import type { Fleet } from './scheduling/fleet.js';
import type { RepairBell } from './scheduling/repair-bell.js';
import type { TaskWatch } from './task-watch.js';
import type { Deliverer } from './webhooks/deliverer.js';

/** Everything a controller works with. One object: each of these lives as long as the process. */
export class Context {
  readonly home!: HomePaths;
  readonly settings!: CuckooSettings;
  readonly db!: DataSource;
  readonly tasks!: Tasks;
  readonly artifacts!: ArtifactStore;
  readonly machines!: Machines;
  readonly workers!: Workers;
  readonly fleet!: Fleet;
  readonly queues!: Queues;
  readonly notes!: MachineNotes;
  readonly repair!: RepairBell;
  readonly events!: EventLog;
  readonly watch!: TaskWatch;
  readonly webhooks!: Webhooks;
  readonly deliveries!: Deliveries;
  readonly deliverer!: Deliverer;
  readonly unpacker!: Unpacker;
  readonly facts!: FactsThreads;
  readonly metrics!: ApiMetrics;
  readonly log!: Log;
  /** Aborts when the process is asked to end: waiting requests are answered then. */
  readonly shutdown!: AbortSignal;

  constructor(parts: { readonly [K in keyof Context]: Context[K] }) {
    Object.assign(this, parts);
  }
}
