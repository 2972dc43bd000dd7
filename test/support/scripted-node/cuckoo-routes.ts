import { json, type Answer, type Asked, type Route } from './answer.js';
import { cutsUpload } from './faults.js';
import type { NodeTask } from './options.js';
import { broken, isMissing, reportOf } from './report.js';
import { readUpload, taskOf } from './upload.js';
import { countsOf, machineView, taskView } from './views.js';
import { byCompletion, FAILED_OR_REPORTED, taskAt, type World } from './world.js';

export const message = (status: number, text: string): Answer => json({ message: text }, status);

const RUNNING = 'The task is currently being processed, cannot delete';
const ARCHIVES = ['dist', 'lite', 'pcap'];

/** Cuckoo 2.0.7. Null: it has no such path. */
export function cuckooRoute(world: World, asked: Asked): Route | null {
  const [a, b, c, d] = asked.path;
  // Flask's routes have no slash at the end.
  if (asked.path.at(-1) === '') return null;
  if (asked.method === 'POST') {
    if (a !== 'tasks' || b !== 'create' || (c !== 'file' && c !== 'url')) return null;
    return { endpoint: 'submit', answer: () => submit(world, asked, c) };
  }
  switch (`${a}/${b}`) {
    case 'cuckoo/status':
      return { endpoint: 'status', answer: () => json(statusOf(world)) };
    case 'machines/list':
      return { endpoint: 'machines', answer: () => json({ machines: machinesOf(world) }) };
    case 'tasks/list':
      return { endpoint: 'list', answer: () => json({ tasks: list(world, asked, c, d) }) };
    case 'tasks/view':
      return { endpoint: 'view', answer: () => view(world, c) };
    case 'tasks/delete':
      return { endpoint: 'delete', answer: () => remove(world, c) };
    case 'tasks/report':
      return { endpoint: 'report', answer: () => report(world, c, (d ?? 'json').toLowerCase()) };
    case 'pcap/get':
      return { endpoint: 'pcap', answer: () => pcap(world, c) };
  }
  return null;
}

async function submit(world: World, asked: Asked, kind: 'file' | 'url'): Promise<Answer | null> {
  const { lab, knobs } = world;
  const upload = await readUpload(asked.request);
  if (cutsUpload('before', asked.response, knobs)) return null;
  const given = taskOf(upload, kind, () => lab.nextSampleId());
  if (given === null) return message(400, `The ${kind} is missing`);
  const { id } = lab.add(given);
  return cutsUpload('after', asked.response, knobs) ? null : json({ task_id: id });
}

/** The keys of 2.0.7, but for diskspace.temporary, which it never sent. */
function statusOf({ lab, machines }: World) {
  const space = { free: 80_000_000_000, total: 100_000_000_000, used: 20_000_000_000 };
  return {
    version: '2.0.7',
    hostname: 'scripted',
    ...countsOf(lab, machines.length),
    diskspace: { analyses: space, binaries: space },
    cpuload: [0.1, 0.2, 0.3],
    cpu_count: 2,
    memory: 41.2,
    memavail: 9_630_000,
    memtotal: 16_380_000,
    processes: { cuckoo: 4100 },
  };
}

function machinesOf({ lab, machines }: World) {
  return machines.map((machine, i) => machineView(machine, i + 1, lab.isBusy(machine)));
}

function list(world: World, { query }: Asked, limit?: string, offset?: string) {
  const { lab, knobs } = world;
  const owner = query.get('owner');
  const status = query.get('status');
  const after = query.get('completed_after');
  const all = owner && !knobs.ignoresOwner ? lab.ofOwner(owner) : lab.tasks.values();
  const chosen = byCompletion(all).filter(
    (task) =>
      (!status || task.status === status) &&
      (!after || (task.completedOn !== null && task.completedOn.getTime() > Number(after) * 1000)),
  );
  const from = Number(offset ?? query.get('offset') ?? 0);
  const count = limit ?? query.get('limit');
  return chosen
    .slice(from, count === null ? undefined : from + Number(count))
    .map((task) => taskView(task, world));
}

function view(world: World, id: string | undefined): Answer {
  const task = taskAt(world, id);
  return task ? json({ task: taskView(task, world) }) : message(404, 'Task not found');
}

function remove(world: World, id: string | undefined): Answer {
  const task = taskAt(world, id);
  if (!task) return message(404, 'Task not found');
  if (task.status === 'running') return message(500, RUNNING);
  if (world.knobs.deleteFails) return message(500, 'An error occurred while trying to delete the task');
  world.lab.delete(task);
  return json({ status: 'OK' });
}

function report(world: World, id: string | undefined, format: string): Answer {
  const task = taskAt(world, id);
  const answer = task && !ARCHIVES.includes(format) ? reportOf(task, format, world.reportBytes) : undefined;
  if (task && !answer) return message(400, 'Invalid report format');
  return download(world, task, format, answer) ?? message(404, 'Report not found');
}

function pcap(world: World, id: string | undefined): Answer {
  const task = taskAt(world, id);
  const answer = task ? reportOf(task, 'pcap', 0) : undefined;
  return download(world, task, 'pcap', answer) ?? message(404, 'File not found');
}

/** As the knobs have it. Null: it is not there. */
export function download(
  { knobs }: World,
  task: NodeTask | null,
  format: string,
  answer: Answer | undefined,
): Answer | null {
  if (!task || !answer || isMissing(format, knobs)) return null;
  const isThere = format === 'pcap' ? FAILED_OR_REPORTED.test(task.status) : task.status === 'reported';
  return isThere ? broken(answer, knobs.reportBroken[format]) : null;
}
