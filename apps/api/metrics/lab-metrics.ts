import { MACHINE_STATES } from '#domain/machine.js';
import { TASK_STATUSES } from '#domain/task.js';
import { PROCESSING_QUEUE } from '#queue/queues.js';
import { within } from '#queue/within.js';
import { entriesOf, Gauges, healthGauges } from '../../metrics/gauges.js';
import type { MetricJson } from '../../metrics/series.js';
import { seriesOf } from '../../metrics/series.js';
import { partsOf, readSnapshots } from '../../metrics/snapshots.js';
import type { Context } from '../context.js';
import { diskSpace } from '../../disk.js';
import { isAlive, mustAnswer, reconciledAgo } from '../health/checks.js';
import type { Readiness } from '../../http/readiness.js';
import { boundLanes, type LaneDepth } from './lanes.js';

type Parts = readonly (readonly MetricJson[])[];

/**
 * What the whole lab is like now, looked up as it is asked. What cannot be looked up is left out: malkoha_health says
 * why.
 */
export async function labSeries(by: Context, readiness: Readiness): Promise<Parts> {
  const gauges = new Gauges();
  const looked = await Promise.allSettled([
    healthGauges(readiness, gauges),
    tasks(by, gauges),
    workers(by, gauges),
    disk(by, gauges),
    lanes(by, gauges),
    processing(by, gauges),
    counted(by, gauges),
  ]);
  const workerParts = looked.flatMap((one) => (one.status === 'fulfilled' ? (one.value ?? []) : []));
  return [await seriesOf(gauges.registry), ...workerParts];
}

async function tasks(by: Context, gauges: Gauges): Promise<void> {
  const counts = await by.tasks.counts();
  gauges.set(
    'malkoha_tasks',
    'Tasks in each status.',
    TASK_STATUSES.map((status) => [{ status }, counts[status]]),
  );
}

async function workers(by: Context, gauges: Gauges): Promise<void> {
  const [all, machines] = await Promise.all([by.workers.list(), by.machines.list()]);
  const states = { active: 0, paused: 0, draining: 0, silent: 0 };
  for (const one of all) {
    if (!isAlive(one)) states.silent += 1;
    else if (one.draining) states.draining += 1;
    else states[one.paused === null ? 'active' : 'paused'] += 1;
  }
  gauges.set('malkoha_workers', 'Workers; silent: without a sign of life.', entriesOf('state', states));
  const living = new Set(all.filter(isAlive).map(({ id }) => id));
  const byState = Object.fromEntries([...MACHINE_STATES, 'lost'].map((state) => [state, 0]));
  for (const { state, worker } of machines) {
    const known = living.has(worker) ? state : 'lost';
    byState[known] = (byState[known] ?? 0) + 1;
  }
  gauges.set(
    'malkoha_machines',
    'Machines in each state; lost: their worker gives no sign of life.',
    entriesOf('state', byState),
  );
}

async function disk({ home, settings }: Context, gauges: Gauges): Promise<void> {
  const { free, total } = await diskSpace(home.dir);
  gauges.one('malkoha_disk_free_bytes', 'Free on the disk of the home folder.', free);
  gauges.one('malkoha_disk_size_bytes', 'Size of the disk of the home folder.', total);
  const needed = settings.cuckoo.freespace * 1024 * 1024;
  gauges.one('malkoha_disk_needed_bytes', 'Below it no task is taken: freespace in cuckoo.conf.', needed);
}

/** The lanes of a queue that has some. */
interface WithLanes {
  readonly lanes?: { depths(): Promise<readonly LaneDepth[]> };
}

async function lanes(by: Context, gauges: Gauges): Promise<void> {
  const { lanes: all } = by.queues as unknown as WithLanes;
  if (all === undefined) return;
  mustAnswer(by);
  const shown = boundLanes(await within(all.depths()));
  gauges.set(
    'malkoha_queue_depth',
    'Tasks that wait in a lane; other: all beyond the hundred fullest.',
    shown.map(({ lane, waiting }) => [{ lane }, waiting]),
  );
  gauges.set(
    'malkoha_queue_oldest_seconds',
    'How long the first task of a lane has waited.',
    shown.flatMap(({ lane, oldestMs }) => (oldestMs === null ? [] : [[{ lane }, oldestMs / 1000] as const])),
  );
}

async function processing(by: Context, gauges: Gauges): Promise<void> {
  mustAnswer(by);
  const queue = by.queues.get(PROCESSING_QUEUE);
  const counts = await within(queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed'));
  const { wait = 0, prioritized = 0, active = 0, delayed = 0, failed = 0 } = counts;
  gauges.set(
    'malkoha_processing_jobs',
    'Jobs of the queue that makes reports; failed ones are kept for a day.',
    entriesOf('state', { waiting: wait + prioritized, active, delayed, failed }),
  );
}

async function counted(by: Context, gauges: Gauges): Promise<Parts> {
  mustAnswer(by);
  const all = await within(readSnapshots(by.queues.redis));
  const ago = reconciledAgo(all.alive);
  if (ago !== null)
    gauges.one('malkoha_reconciler_age_seconds', 'Since any worker last reconciled SQL and the queues.', ago);
  return partsOf(all);
}
