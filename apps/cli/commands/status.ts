import { TASK_STATUSES } from '#domain/task.js';
import type { DaemonStatus } from '../answers.js';
import { Refusal } from '../client.js';
import { OVER_REST, withClient } from '../connection.js';
import { facts } from '../facts.js';
import { formatBytes, formatSeconds, shortInstant } from '../humane.js';
import { countsOf } from '../machine-text.js';
import { Operator } from '../operator.js';
import type { SchedulerStatus, Worker } from '../operator-answers.js';
import { noArguments, parse } from '../options.js';
import { print, printJson } from '../print.js';
import { styles, visible } from '../text.js';

type Known = readonly (readonly [name: string, value: string | null | undefined])[];

/** Lanes that a person is shown, the fullest first. */
const MOST_LANES = 20;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('status', args, OVER_REST);
  noArguments('status', positionals);
  return withClient(values, async ({ client }) => {
    const status = await client.status();
    const scheduler = await new Operator(client).scheduler().catch(noScheduler);
    if (values.json === true) printJson(scheduler === null ? status : { ...status, scheduler });
    else print(describe(status, scheduler, client.url));
    return 0;
  });
}

/** A Cuckoo, or an older Malkoha: the rest is told all the same. */
function noScheduler(error: unknown): null {
  if (error instanceof Refusal && error.status === 404) return null;
  throw error;
}

function describe(status: DaemonStatus, scheduler: SchedulerStatus | null, url: string): string {
  const disk = status.diskspace?.analyses;
  const load = status.cpuload?.map((average) => average.toFixed(2)).join(' ');
  return facts(`${styles().bold('up')}  ${url} on ${visible(status.hostname)}`, [
    ['tasks', scheduler === null ? fewTasks(status) : tasksOf(scheduler)],
    ...(scheduler === null ? [] : scheduling(scheduler)),
    ['machines', machinesText(status, scheduler)],
    ...(scheduler === null ? [] : brokenAndWorkers(scheduler)),
    ['disk', disk && `${formatBytes(disk.free)} of ${formatBytes(disk.total)} free`],
    ['load', load && `${load}${status.cpu_count == null ? '' : ` on ${status.cpu_count} cores`}`],
    ['memory', status.memory == null ? null : `${status.memory.toFixed(0)} % in use`],
    ['API', `Cuckoo ${status.version}${scheduler === null ? '' : `, Malkoha ${scheduler.version}`}`],
  ]);
}

function fewTasks({ tasks }: DaemonStatus): string {
  const { pending, running, completed, reported, total } = tasks;
  const others = total - pending - running - completed - reported;
  return counts({ pending, running, completed, reported, 'failed or recovered': others });
}

function tasksOf({ tasks }: SchedulerStatus): string {
  return counts(Object.fromEntries(TASK_STATUSES.map((status) => [status, tasks[status] ?? 0])));
}

/** Those that matter even when there are none, and the others that there are. */
function counts(byStatus: Readonly<Record<string, number>>): string {
  return Object.entries(byStatus)
    .filter(([status, count]) => count > 0 || ['pending', 'running', 'reported'].includes(status))
    .map(([status, count]) => `${count} ${status}`)
    .join(' · ');
}

function scheduling({ lanes, processing }: SchedulerStatus): Known {
  if (lanes === null) return [['queue', 'Redis does not answer']];
  const fullest = lanes.toSorted((a, b) => b.waiting - a.waiting);
  const more = fullest.length - MOST_LANES;
  return [
    ...fullest.slice(0, MOST_LANES).map(({ lane, waiting, oldest_seconds: oldest }) => {
      const since = oldest === null ? '' : `, the oldest for ${formatSeconds(oldest)}`;
      return ['waits', `${waiting} in lane ${lane}${since}`] as const;
    }),
    ['waits', more > 0 ? `… in ${more} more lanes` : null],
    ['reports', processing && reportsText(processing)],
  ];
}

function reportsText({ waiting, active }: NonNullable<SchedulerStatus['processing']>): string | null {
  return waiting + active === 0 ? null : `${active} being written, ${waiting} waiting`;
}

function machinesText({ machines }: DaemonStatus, scheduler: SchedulerStatus | null): string {
  const states = scheduler === null ? '' : countsOf(scheduler.machines);
  return `${machines.available} of ${machines.total} free${states === '' ? '' : `: ${states}`}`;
}

function brokenAndWorkers({ quarantined, workers }: SchedulerStatus): Known {
  const now = new Date();
  return [
    ...quarantined.map(({ name, reason, next_test: next }) => {
      const again = next === null ? '' : `; tested again at ${shortInstant(next, now)}`;
      return ['quarantined', `${name}: ${reason ?? 'it failed'}${again}`] as const;
    }),
    ...workers.map((worker) => ['worker', workerText(worker)] as const),
    ['worker', workers.length === 0 ? 'none is running' : null],
  ];
}

function workerText({ name, host, alive, draining, paused, ...worker }: Worker): string {
  const parts = [
    name === host ? name : `${name} on ${host}`,
    countsOf(worker.machines),
    alive ? '' : `no sign of life for ${formatSeconds(worker.silent_seconds)}`,
    draining ? 'it ends after what it runs' : '',
    paused !== null && !draining ? `takes no task: ${paused}` : '',
    worker.same_version ? '' : `another version: ${worker.version}`,
  ];
  return parts.filter((part) => part !== '').join(' · ');
}
