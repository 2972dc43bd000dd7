import { setTimeout as sleep } from 'node:timers/promises';
import type { Dialect } from '#nodes/dialect.js';
import { addNodes, startController } from './distributed-controller.js';
import { BenchNodes } from './distributed-nodes.js';
import { percentile } from './support.js';

/** Milliseconds between two looks for a report. */
const LOOK_MS = 2;
/** Trips that are not counted. */
const WARM_UPS = 3;
const TARGET = 'http://example.test/';

interface Door {
  readonly submit: string;
  readonly report: (task: number) => string;
}

/**
 * What the controller adds: from the submission until its report can be downloaded, one task after the other, through
 * the controller and at the node itself in turns. Milliseconds.
 */
export async function benchLatency(dialect: Dialect, tasks: number, runMs: number) {
  await using nodes = await BenchNodes.start({ dialect, count: 1, machines: 4, runMs });
  await using controller = await startController('sqlite');
  await addNodes(controller, nodes.urls);
  const through: Door = {
    submit: `${controller.url}/task`,
    report: (task) => `${controller.url}/report/${task}`,
  };
  const itself: Door = {
    submit: `${nodes.urls[0] ?? ''}tasks/create/url`,
    report: (task) => `${nodes.urls[0] ?? ''}tasks/report/${task}`,
  };
  for (let n = 0; n < WARM_UPS; n += 1) await roundTrip(itself).then(() => roundTrip(through));
  const added: number[] = [];
  const direct: number[] = [];
  for (let n = 0; n < tasks; n += 1) {
    const alone = await roundTrip(itself);
    direct.push(alone);
    added.push((await roundTrip(through)) - alone);
  }
  return {
    ...{ dialect, tasks, run_ms: runMs },
    node_itself: { p50: percentile(direct, 50), p99: percentile(direct, 99) },
    added: { p50: percentile(added, 50), p99: percentile(added, 99) },
  };
}

async function roundTrip({ submit, report }: Door): Promise<number> {
  const began = performance.now();
  const answer = await fetch(submit, { method: 'POST', body: new URLSearchParams({ url: TARGET }) });
  if (!answer.ok) throw new Error(`${submit}: ${answer.status} ${await answer.text()}`);
  const { task_id: task } = (await answer.json()) as { task_id: number };
  for (;;) {
    const got = await fetch(report(task));
    const body = await got.text();
    if (got.status === 200) return performance.now() - began;
    if (got.status !== 404) throw new Error(`${report(task)}: ${got.status} ${body}`);
    await sleep(LOOK_MS);
  }
}
