import { PUBLIC_STATUSES } from '#distribution/task.js';
import type { Readiness } from '../../http/readiness.js';
import { Gauges, healthGauges } from '../../metrics/gauges.js';
import { seriesOf, type MetricJson } from '../../metrics/series.js';
import type { Context } from '../context.js';

/** Tasks and nodes as they are now. What cannot be looked up is left out: malkoha_health says why. */
export async function nodeSeries(by: Context, readiness: Readiness): Promise<readonly MetricJson[]> {
  const gauges = new Gauges();
  await Promise.allSettled([healthGauges(readiness, gauges), tasks(by, gauges), nodes(by, gauges)]);
  return seriesOf(gauges.registry);
}

async function tasks({ tasks: all }: Context, gauges: Gauges): Promise<void> {
  const counts = await all.counts();
  gauges.set(
    'malkoha_dist_tasks',
    'Distributed tasks in each status.',
    PUBLIC_STATUSES.map((status) => [{ status }, counts[status]]),
  );
}

async function nodes(by: Context, gauges: Gauges): Promise<void> {
  const { nodes: all, tasks: those } = by;
  const [rows, load, waiting] = await Promise.all([all.list(), those.load(), those.waitingFor()]);
  const now = new Date();
  gauges.set(
    'malkoha_node_tasks',
    'Tasks of each node, by what is done with them; waiting: they may run there only.',
    rows.flatMap(({ id, name }) =>
      Object.entries({ waiting: waiting.get(id) ?? 0, ...load.get(id) }).map(
        ([state, n]) => [{ node: name, state }, n] as const,
      ),
    ),
  );
  gauges.set(
    'malkoha_node_up',
    '1: the node answered when it was last called; 0: it did not, and is left alone for a while.',
    rows.map(({ name, seenOn, retryOn }) => [
      { node: name },
      Number(seenOn !== null && (retryOn === null || retryOn <= now)),
    ]),
  );
  gauges.set(
    'malkoha_node_enabled',
    '1: the node is given tasks, whether or not they name it.',
    rows.map(({ name, enabled, mode }) => [{ node: name }, Number(enabled && mode === 'normal')]),
  );
  gauges.set(
    'malkoha_node_seen_seconds',
    'Since the node last answered.',
    rows.flatMap(({ name, seenOn }) =>
      seenOn === null ? [] : [[{ node: name }, (now.getTime() - seenOn.getTime()) / 1000] as const],
    ),
  );
}
