import { addNodes, cpuSeconds, memoryMib, startController, untilFinished } from './distributed-controller.js';
import { BenchNodes } from './distributed-nodes.js';

export interface Load {
  readonly database: 'sqlite' | 'postgresql';
  readonly nodes: number;
  readonly tasks: number;
}

/** Machines of each node, and milliseconds of an analysis: far more than a controller can use. */
const MACHINES = 4;
const RUN_MS = 100;
/** Submissions at a time. */
const CLIENTS = 16;

/** Tasks per second through one controller, the memory it has, and what a node that never answers costs the others. */
export async function benchThroughput({ database, nodes: count, tasks }: Load) {
  await using nodes = await BenchNodes.start({
    dialect: 'malkoha',
    count,
    machines: MACHINES,
    runMs: RUN_MS,
  });
  await using controller = await startController(database);
  const atRest = await memoryMib(controller);
  await addNodes(controller, nodes.urls);
  const withNodes = await memoryMib(controller);
  const idle = await cpuSeconds(controller);

  const all = await flood(controller.url, tasks, (share) => untilFinished(controller, share));
  const cpu = (await cpuSeconds(controller)) - idle;
  const seen = await nodes.seen();
  const atEnd = await memoryMib(controller);

  // The same few tasks twice, before and after the first node falls silent.
  const few = Math.ceil(tasks / 4);
  await untilFinished(controller, tasks);
  const before = await flood(controller.url, few, (share) => untilFinished(controller, tasks + share));
  await untilFinished(controller, tasks + few);
  await nodes.hangFirst();
  const hung = await flood(controller.url, few, (share) => untilFinished(controller, tasks + few + share));
  return {
    ...{ database, nodes: count, tasks, clients: CLIENTS, machines: count * MACHINES, run_ms: RUN_MS },
    ...all,
    cpu_ms_per_task: Math.round((10_000 * cpu) / tasks) / 10,
    one_node_hangs: { tasks: few, before, after: hung },
    seen_on_nodes: seen,
    memory_mib: { at_rest: atRest.now, with_nodes: withNodes.now, at_end: atEnd.now, peak: atEnd.peak },
  };
}

/** Submits all of them; the rates are until nine in ten were accepted and finished: the last ones show the tail only. */
async function flood(url: string, tasks: number, finished: (share: number) => Promise<void>) {
  const began = performance.now();
  const rate = (n: number) => Math.round((n / (performance.now() - began)) * 10_000) / 10;
  const share = Math.floor(tasks * 0.9);
  const accepting = submitAll(`${url}/task`, tasks).then(() => rate(tasks));
  const [accepted, ended] = await Promise.all([accepting, finished(share).then(() => rate(share))]);
  return { accepted_per_s: accepted, finished_per_s: ended };
}

async function submitAll(url: string, tasks: number): Promise<void> {
  let left = tasks;
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const body = new URLSearchParams({ url: `http://example.test/${left}` });
      const answer = await fetch(url, { method: 'POST', body });
      if (!answer.ok) throw new Error(`refused: ${answer.status} ${await answer.text()}`);
      await answer.text();
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

/** The physical limit: the same calls a client of the nodes would make itself, submit, report, delete, and nothing else. */
export async function benchNodesAlone(count: number, tasks: number) {
  await using nodes = await BenchNodes.start({ dialect: 'malkoha', count, machines: MACHINES, runMs: 0 });
  let left = tasks;
  const began = performance.now();
  const client = async (): Promise<void> => {
    for (let n = left--; n > 0; n = left--) await alone(nodes.urls[n % count] ?? '');
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return { tasks, per_s: Math.round((tasks / (performance.now() - began)) * 10_000) / 10 };
}

async function alone(node: string): Promise<void> {
  const body = new URLSearchParams({ url: 'http://example.test/' });
  const answer = await fetch(`${node}tasks/create/url`, { method: 'POST', body });
  const { task_id: task } = (await answer.json()) as { task_id: number };
  for (let there = false; !there;) {
    const report = await fetch(`${node}tasks/report/${task}`);
    await report.text();
    there = report.ok;
  }
  await (await fetch(`${node}tasks/delete/${task}`)).text();
}
