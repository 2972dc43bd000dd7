import { json, type Answer, type Asked, type Route } from './answer.js';
import { cuckooRoute, message } from './cuckoo-routes.js';
import { cutsUpload } from './faults.js';
import { readUpload, sampleOf, taskOf, type Upload } from './upload.js';
import { taskAt, type World } from './world.js';

const CANCELLED = 'Cancelled by a request [CANCELLED]';
const EVENT_ID = /^\d+-\d+$/;

/** As Cuckoo's, and what only Malkoha has. */
export function malkohaRoute(world: World, asked: Asked): Route | null {
  const [a, b, c] = asked.path;
  if (asked.method === 'POST') {
    if (a === 'tasks' && b === 'cancel') return { endpoint: 'cancel', answer: () => cancel(world, c) };
    if (a !== 'tasks' || b !== 'create' || (c !== 'file' && c !== 'url')) return null;
    return { endpoint: 'submit', answer: () => submitOnce(world, asked, c) };
  }
  if (a === 'health' && b === 'live') return { endpoint: 'health', answer: () => json({ status: 'live' }) };
  if (a === 'tasks' && b === 'events' && c === undefined)
    return { endpoint: 'events', answer: async () => events(world, asked) };
  const wanted = asked.query.get('status');
  if (a === 'tasks' && b === 'delete' && wanted !== null && taskAt(world, c)?.status !== wanted)
    return { endpoint: 'delete', answer: () => message(409, 'The task is not deleted') };
  if (a === 'tasks' && b === 'delete' && taskAt(world, c)?.status === 'completed')
    return {
      endpoint: 'delete',
      answer: () => message(500, 'The task is currently being processed, cannot delete'),
    };
  if (a === 'machines' && b === 'states')
    return { endpoint: 'machines', answer: () => json({ machines: statesOf(world) }) };
  return cuckooRoute(world, asked);
}

/** What a client of another Malkoha looks at in machines/states. */
function statesOf({ machines, lab }: World) {
  return machines.map((machine) => ({
    ...machine,
    arch: machine.arch ?? 'x64',
    state: lab.isBusy(machine) ? 'leased' : 'ready',
  }));
}

/** A request that comes again with its Idempotency-Key is given the first one's task. */
async function submitOnce(world: World, asked: Asked, kind: 'file' | 'url'): Promise<Answer | null> {
  const { lab, keys, knobs } = world;
  const upload = await readUpload(asked.request);
  if (cutsUpload('before', asked.response, knobs)) return null;
  const key = asked.request.headers['idempotency-key'];
  const fingerprint = fingerprintOf(upload, kind);
  const known = typeof key === 'string' ? keys.get(key) : undefined;
  if (known && known.fingerprint !== fingerprint)
    return message(
      422,
      'This Idempotency-Key was used for another request: choose a new key for a new request',
    );
  const given = taskOf(upload, kind, () => lab.nextSampleId());
  if (given === null) return message(400, `The ${kind} is missing: send it as the multipart field "${kind}"`);
  const id = known?.id ?? lab.add(given).id;
  if (typeof key === 'string') keys.set(key, { fingerprint, id });
  if (cutsUpload('after', asked.response, knobs)) return null;
  return json({ task_id: id, task_ids: [id] });
}

function fingerprintOf({ fields, file }: Upload, kind: string): string {
  const pairs = Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([kind, pairs, file && [file.name, sampleOf(0, file.bytes).sha256]]);
}

function cancel(world: World, id: string | undefined): Answer {
  const task = taskAt(world, id);
  if (!task) return message(404, 'Task not found');
  if (task.status === 'completed')
    return message(409, 'The analysis is done; only its report is still to be written');
  if (task.status !== 'pending' && task.status !== 'running')
    return message(409, `The task has already ended: it is ${task.status}`);
  world.lab.cancel(task, CANCELLED);
  return json({ status: 'OK' });
}

function events({ events: feed }: World, { request, response, query }: Asked): Answer | null {
  const after = request.headers['last-event-id'] ?? query.get('last_event_id');
  if (after && (typeof after !== 'string' || !EVENT_ID.test(after)))
    return message(400, 'Last-Event-ID must be the id of an event, such as 1700000000000-0');
  feed.open(response, after || null);
  return null;
}
