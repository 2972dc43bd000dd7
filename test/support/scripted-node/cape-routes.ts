import { json, page, plainDate, plainDateOrNull, type Answer, type Asked, type Route } from './answer.js';
import { download } from './cuckoo-routes.js';
import { cutsUpload } from './faults.js';
import type { NewTask } from './lab.js';
import type { NodeTask } from './options.js';
import { reportOf } from './report.js';
import { readUpload, taskOf } from './upload.js';
import { countsOf, machineView, taskView } from './views.js';
import { taskAt, type World } from './world.js';

/** api.conf: what one answer of tasks/list holds, unless it is asked for. */
const DEFAULT_LIMIT = 10;
const JSON_FORMATS = ['json', 'maec5'];

/** CAPE tells of failures with 200. */
const failure = (text: string, status = 200): Answer => json({ error: true, error_value: text }, status);
const data = (value: unknown): Answer => json({ error: false, data: value });

/** CAPE's apiv2, below /apiv2/; every path ends with a slash. Null: it has no such path. */
export function capeRoute(world: World, asked: Asked): Route | null {
  const [prefix, a, b, c, d, e] = asked.path;
  if (prefix !== 'apiv2') return null;
  if (asked.path.at(-1) !== '') return { endpoint: 'other', answer: () => withSlash(asked) };
  if (asked.method === 'POST') {
    if (a !== 'tasks' || b !== 'create' || (c !== 'file' && c !== 'url')) return null;
    return { endpoint: 'submit', answer: () => submit(world, asked, c) };
  }
  switch (`${a}/${b}`) {
    case 'cuckoo/status':
      return { endpoint: 'status', answer: () => data(statusOf(world)) };
    case 'machines/list':
      return { endpoint: 'machines', answer: () => data(machinesOf(world)) };
    case 'tasks/list':
      return { endpoint: 'list', answer: () => list(world, asked, c, d) };
    case 'tasks/view':
      return { endpoint: 'view', answer: () => view(world, c) };
    case 'tasks/delete':
      return { endpoint: 'delete', answer: () => remove(world, c, d) };
    case 'tasks/get':
      if (c === 'pcap') return { endpoint: 'pcap', answer: () => report(world, d, 'pcap') };
      if (c === 'report')
        return { endpoint: 'report', answer: () => report(world, d, (e || 'json').toLowerCase()) };
  }
  return null;
}

/** Django sends readers on; a form would be lost on the way. */
function withSlash({ method, request }: Asked): Answer {
  const [path, query] = (request.url ?? '').split('?');
  if (method !== 'GET') return page(500, 'RuntimeError');
  return { ...page(301, 'Moved'), headers: { location: `${path}/${query ? `?${query}` : ''}` } };
}

async function submit(world: World, asked: Asked, kind: 'file' | 'url'): Promise<Answer | null> {
  const { lab, knobs, machines } = world;
  const upload = await readUpload(asked.request);
  if (cutsUpload('before', asked.response, knobs)) return null;
  const given = taskOf(upload, kind, () => lab.nextSampleId());
  if (given === null) return failure(kind === 'file' ? 'No file was submitted' : 'URL value is empty');
  if (given.machine !== null && !machines.some(({ label }) => label === given.machine))
    return failure(
      `Machine '${given.machine}' does not exist. Available: ${machines.map(labelOf).join(', ')}`,
    );
  const isUnpacked = kind === 'file' && !given.fields['package'];
  const ids = Array.from({ length: isUnpacked ? knobs.unpacks : 1 }, () => lab.add(withArch(given)).id);
  if (cutsUpload('after', asked.response, knobs)) return null;
  const text = `Task ID ${ids.join(', ')} has been submitted`;
  return json({ error: [], data: { task_ids: ids, message: text }, errors: [] });
}

/** Architectures are tags there. */
function withArch(given: NewTask): NewTask {
  const isArch = (tag: string) => tag === 'x64' || tag === 'x86';
  return { ...given, arch: given.tags.find(isArch) ?? null, tags: given.tags.filter((tag) => !isArch(tag)) };
}

const labelOf = ({ label }: { readonly label: string | null }) => label;

function statusOf({ lab, machines }: World) {
  const storage = { free: 80, total: 100, used: 20, used_by: '20%' };
  return {
    version: '2.4-CAPE',
    hostname: 'scripted',
    ...countsOf(lab, machines.length),
    server: { storage },
  };
}

function machinesOf({ lab, machines }: World) {
  return machines.map((machine, i) => ({
    ...machineView(machine, i + 1, lab.isBusy(machine)),
    arch: machine.arch ?? 'x64',
    reserved: machine.reserved,
  }));
}

function list(world: World, { query }: Asked, limitText?: string, offset?: string): Answer {
  const { lab, knobs } = world;
  const limit = Math.min(Number(limitText || DEFAULT_LIMIT), knobs.listLimit);
  const [option, status] = [knobs.ignoresOwner ? null : query.get('option'), query.get('status')];
  const time = ({ completedOn }: NodeTask) => completedOn?.getTime() ?? Infinity;
  const chosen = [...lab.tasks.values()]
    .filter((task) => !option || (task.fields['options'] ?? '').includes(option))
    .filter((task) => !status || task.status === status)
    .sort((a, b) => (time(a) === time(b) ? a.id - b.id : time(b) - time(a)))
    .slice(Number(offset || 0), Number(offset || 0) + limit);
  const views = chosen.map((task) => capeTask(task, world));
  return json({ data: views, config: `Limit: ${limit}, Offset: ${offset ?? ''}`, buf: views.length });
}

/** For a recovered task it shows the one that took its place. */
function shown(world: World, id: string | undefined): NodeTask | null {
  const task = taskAt(world, id);
  return task?.status === 'recovered' && task.replacedBy !== null
    ? taskAt(world, String(task.replacedBy))
    : task;
}

function view(world: World, id: string | undefined): Answer {
  const task = shown(world, id);
  return task ? data(capeTask(task, world)) : failure('Task not found in database');
}

/** A task as CAPE shows it: it knows no owner. */
function capeTask(task: NodeTask, world: World) {
  const { owner: _owner, submit_id: _submit, processing: _processing, ...view } = taskView(task, world);
  return {
    ...view,
    cape: '',
    tags_tasks: null,
    clock: plainDate(task.addedOn),
    completed_on: plainDateOrNull(task.completedOn),
    timedout: false,
  };
}

/** Only a task of the status that is named, `reported` unless one is. */
function remove(world: World, id: string | undefined, status: string | undefined): Answer {
  const task = taskAt(world, id);
  const failed = json({ error: true, failed: `Task(s) ID(s) ${id} failed to remove` });
  if (!task || shown(world, id)?.status !== (status || 'reported') || world.knobs.deleteFails) return failed;
  world.lab.delete(task);
  return json({ data: `Task(s) ID(s) ${id} has been deleted` });
}

function report(world: World, id: string | undefined, format: string): Answer {
  const task = shown(world, id);
  if (!task) return failure('Task does not exist');
  if (task.status.startsWith('failed_')) return failure('Task failed');
  if (task.status !== 'reported') return failure('Task is still being analyzed');
  const answer = reportOf(task, format, world.reportBytes);
  if (!answer) return failure(`Report format not found: ${format}`, 400);
  const given = download(world, task, format, answer);
  if (!given) return failure(format === 'pcap' ? 'PCAP does not exist' : 'Reports directory does not exist');
  const type = JSON_FORMATS.includes(format) ? 'application/json; charset=UTF-8' : given.type;
  const name = `attachment; filename=${task.id}_report.${format}`;
  return { ...given, type, headers: { 'content-disposition': name } };
}
