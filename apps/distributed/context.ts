import type { Redis } from 'ioredis';
import type { DataSource } from 'typeorm';
import type { HomePaths } from '#config/home.js';
import type { DistributedSettings } from '#config/distributed-conf.js';
import type { DistTasks } from '#distribution/tasks.js';
import type { Nodes } from '#distribution/nodes.js';
import type { ReportFiles } from '#distribution/report-files.js';
import type { SampleFiles } from '#distribution/sample-files.js';
import type { Statuses } from '#distribution/statuses.js';
import type { Log } from '../log.js';
import type { Clients } from './clients.js';

/** Tells the engine of every controller that there is something to do. None of these throws, or waits. */
export interface Bells {
  /** Tasks wait, or a node has room. */
  place(): void;
  /** Something is to be deleted on this node. */
  remove(nodeId: number): void;
  /** A node was added, changed or removed. */
  nodes(): void;
}

/** Everything a controller works with. One object: each of these lives as long as the process. */
export class Context {
  readonly home!: HomePaths;
  readonly settings!: DistributedSettings;
  readonly db!: DataSource;
  /** Of the queues. */
  readonly redis!: Redis;
  readonly nodes!: Nodes;
  readonly tasks!: DistTasks;
  readonly statuses!: Statuses;
  readonly reports!: ReportFiles;
  readonly samples!: SampleFiles;
  readonly clients!: Clients;
  readonly bells!: Bells;
  readonly log!: Log;
  /** Aborts when the process is asked to end: waiting requests are answered then. */
  readonly shutdown!: AbortSignal;

  constructor(parts: { readonly [K in keyof Context]: Context[K] }) {
    Object.assign(this, parts);
  }
}
