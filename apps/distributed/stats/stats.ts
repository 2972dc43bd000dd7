import { setImmediate as nextTurn } from 'node:timers/promises';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import type { History } from '#distribution/history.js';
import { plainDate } from '#domain/plain-date.js';
import type { CellCache } from './cell-cache.js';
import { endOf, infoOf, placesOf, startOf, type Info, type Period, type Place } from './periods.js';
import type { Statistic, StatsQuery } from './query.js';
import { readSample, type Sample } from './sample.js';
import { completedIn, uncompletedAt } from './task-series.js';

export interface Point {
  readonly datetime: string;
  readonly value: number;
}

type ByName<T> = Readonly<Record<string, T>>;

interface Sources {
  readonly history: History;
  readonly cache: CellCache;
}

/** What each of the nodes said in the steps of a period. */
interface Said {
  readonly node: NodeRow;
  readonly samples: readonly (Sample | null)[];
}

/** The statistics that were asked for, of these nodes, as Cuckoo 2.0.7 tells them. */
export async function statsOf(
  sources: Sources,
  nodes: readonly NodeRow[],
  query: StatsQuery,
  now: Date,
): Promise<ByName<unknown>> {
  const period = (one: Period) => periodStats(sources, nodes, { ...query, period: one }, now);
  const byPeriod: [Period, Partial<ByName<unknown>>][] = [];
  for (const one of query.periods) byPeriod.push([one, await period(one)]);
  const value = async (statistic: Statistic): Promise<unknown> => {
    if (statistic === 'amount_prio_queued')
      return {
        info: { date: plainDate(query.end) },
        priorities: await sources.history.queued(query.end),
      };
    if (statistic === 'active_processes') return processes(sources, nodes, query.end);
    return Object.fromEntries(byPeriod.map(([one, stats]) => [one, stats[statistic]]));
  };
  const stats: [string, unknown][] = [['nodes', nodes.map(({ name }) => name)]];
  for (const statistic of query.statistics) stats.push([statistic, await value(statistic)]);
  return Object.fromEntries(stats);
}

interface OfPeriod extends StatsQuery {
  readonly period: Period;
}

/** Those that have points, for one period. */
async function periodStats(
  { history, cache }: Sources,
  nodes: readonly NodeRow[],
  { period, end, statistics }: OfPeriod,
  now: Date,
): Promise<Partial<Record<Statistic, unknown>>> {
  const info = infoOf(period, end);
  const places = placesOf(period, end, now);
  const cells = places.map(({ cell }) => cell);
  const isAsked = (one: Statistic) => statistics.includes(one);
  const stats: Partial<Record<Statistic, unknown>> = {};
  if (isAsked('task_completed'))
    stats.task_completed = taskSeries(info, places, await completedIn(history, cache, cells, now));
  if (isAsked('task_uncompleted'))
    stats.task_uncompleted = taskSeries(info, places, await uncompletedAt(history, cache, cells, now));
  if (!(['vm_running', 'disk_usage', 'cpu_usage', 'memory_usage'] as const).some(isAsked)) return stats;

  const said: Said[] = [];
  for (const node of nodes) {
    said.push({ node, samples: await samplesOf({ history, cache }, node, places, now) });
    await nextTurn(); // SQLite answers at once: others must get a turn between a thousand nodes
  }
  const percent = (pick: (sample: Sample) => number | null) =>
    each(said, ({ samples }) => ({ info: { ...info, max: 100 }, points: points(places, samples, pick) }));
  if (isAsked('vm_running')) stats.vm_running = machinesRunning(info, places, said);
  if (isAsked('disk_usage')) stats.disk_usage = each(said, (one) => diskUsage(info, places, one));
  if (isAsked('cpu_usage')) stats.cpu_usage = percent(({ cpu }) => cpu);
  if (isAsked('memory_usage')) stats.memory_usage = percent(({ memory }) => memory);
  return stats;
}

async function samplesOf(
  { history, cache }: Sources,
  { id }: NodeRow,
  places: readonly Place[],
  now: Date,
): Promise<readonly (Sample | null)[]> {
  const cells = places.map(({ cell }) => cell);
  return cache.values(`node ${id}`, cells, now, async (missing) => {
    const spans = missing.map((cell) => ({ since: startOf(cell), until: endOf(cell) }));
    const samples: (Sample | null)[] = [];
    for await (const status of history.statuses(id, spans))
      samples.push(status === null ? null : readSample(status));
    return samples;
  });
}

function taskSeries(info: Info, places: readonly Place[], values: readonly number[]): object {
  return { info: { ...info, max: Math.max(0, ...values) }, points: points(places, values, (value) => value) };
}

/** Of all nodes together. `max`: the machines there are, or more if more ran once. */
function machinesRunning(info: Info, places: readonly Place[], said: readonly Said[]): object {
  const running = places.map((_, index) => {
    const values = said.flatMap(({ samples }) => samples[index]?.running ?? []);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
  });
  const machines = said.reduce((sum, { node }) => sum + (readSample(node.status)?.machines ?? 0), 0);
  const max = Math.max(machines, ...running.map((value) => value ?? 0));
  return { info: { ...info, max }, points: points(places, running, (value) => value) };
}

function diskUsage(info: Info, places: readonly Place[], { node, samples }: Said): object {
  const now = Object.entries(readSample(node.status)?.disks ?? {});
  const disks = Object.fromEntries(now.map(([disk, { total }]) => [disk, { total }]));
  const names = new Set(samples.flatMap((sample) => Object.keys(sample?.disks ?? {})));
  const used = [...names].map((disk) => [
    `${disk}_used`,
    points(places, samples, (sample) => sample.disks[disk]?.used ?? null),
  ]);
  return { info: { ...info, disks }, points: Object.fromEntries(used) as object };
}

/** What runs on each node beside `cuckoo`, which is what runs the machines. */
async function processes({ history }: Sources, nodes: readonly NodeRow[], end: Date): Promise<object> {
  const all: [string, object][] = [];
  // A status is kept as of the beginning of its minute: that of this one is the last there is.
  const upToEnd = { since: new Date(0), until: new Date(end.getTime() + 1) };
  for (const { id, name } of nodes) {
    let names: readonly string[] = [];
    for await (const status of history.statuses(id, [upToEnd])) names = readSample(status)?.processes ?? [];
    const other = names.filter((process) => process !== 'cuckoo');
    all.push([name, { cuckoo: other.length < names.length, other }]);
    await nextTurn();
  }
  return Object.fromEntries(all);
}

function each(said: readonly Said[], work: (one: Said) => object): object {
  return Object.fromEntries(said.map((one) => [one.node.name, work(one)]));
}

/** One for each place that has a value. */
function points<T>(
  places: readonly Place[],
  values: readonly (T | null)[],
  pick: (value: T) => number | null,
): readonly Point[] {
  return places.flatMap(({ at }, index) => {
    const held = values[index] ?? null;
    const value = held === null ? null : pick(held);
    return value === null ? [] : [{ datetime: plainDate(at), value }];
  });
}
