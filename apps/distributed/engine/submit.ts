import { reason } from '#domain/errors.js';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { NodeError } from '#nodes/error.js';
import { withNode } from '#distribution/tasks.js';
import type { Work } from '#nodes/node.js';
import { failTask, left } from './ends.js';
import { inVain } from './in-vain.js';
import {
  closedFor,
  isLost,
  nodeAnswered,
  nodeFailed,
  type Again,
  type Course,
  type Handling,
  type Parts,
} from './parts.js';
import { leave } from './see.js';
import { withWork } from './work.js';

/**
 * Hands a task to its node. What it may have taken already is looked for; it is sent again to a node only that knows it by
 * its key.
 */
export async function submit(
  parts: Parts,
  node: NodeRow,
  { taskId, course }: { readonly taskId: number; readonly course: Course },
  signal: AbortSignal,
): Promise<Again> {
  const task = await parts.tasks.find(taskId);
  if (task?.nodeId !== node.id) return null;
  if (task.state === 'assigned') return send(parts, { node, task, course }, signal);
  return task.state === 'sending' ? findOut(parts, { node, task, course }, signal) : null;
}

async function send(parts: Parts, { node, task, course }: Handling, signal: AbortSignal): Promise<Again> {
  if (closedFor(node) !== null || !(node.enabled || task.pinned)) return passOn(parts, task);
  return withWork(parts, task, async (work) => {
    const now = { attempts: task.attempts + 1, sentOn: new Date() };
    const sending = await parts.tasks.move(task, 'sending', now);
    if (sending === null) return null;
    const handling = { node, task: sending, course };
    try {
      return await deliver(parts, handling, work, signal);
    } catch (error) {
      return failed(parts, handling, error);
    }
  });
}

async function deliver(
  parts: Parts,
  { node, task }: Handling,
  work: Work,
  signal: AbortSignal,
): Promise<Again> {
  const remoteId = await parts.clients.of(node).submit(work, signal);
  await nodeAnswered(parts, node, 'submit');
  return noteIt(parts, { node, task, remoteId });
}

/** An earlier try had no clear end, or none at all: it was killed. */
async function findOut(parts: Parts, { node, task, course }: Handling, signal: AbortSignal): Promise<Again> {
  if (isLost(course, parts)) {
    await leave(parts, task, `${task.reason ?? `node ${node.name} does not say whether it has it`}.`);
    return null;
  }
  const closed = closedFor(node);
  if (closed !== null) return closed;
  try {
    const remoteId = await taken(parts, node, task, signal);
    await nodeAnswered(parts, node, 'view');
    if (remoteId !== null) return await noteIt(parts, { node, task, remoteId });
    // By its Idempotency-Key it is one task there, however often it is sent, and whoever else is sending it.
    if (node.dialect === 'malkoha' && (node.enabled || task.pinned))
      return await sendAgain(parts, { node, task, course }, signal);
    const patience = onItsWay(task, parts);
    if (patience > 0) return patience;
    // It may still come to be there: by its old mark it is then removed. That it did not costs the task nothing.
    await parts.tasks.giveUp(task, task.reason ?? `node ${node.name} did not take it`, task.attempts - 1);
    await left(parts, task);
    return null;
  } catch (error) {
    return inVain(parts, { node, task, course }, { step: 'view', error });
  }
}

async function sendAgain(parts: Parts, handling: Handling, signal: AbortSignal): Promise<Again> {
  return withWork(parts, handling.task, async (work) => {
    try {
      return await deliver(parts, handling, work, signal);
    } catch (error) {
      // What was sent before may still arrive, however clear it is that this was not.
      const isAnswer = error instanceof NodeError && error.code === 'NODE_REFUSED' && !error.unclear;
      return isAnswer ? failed(parts, handling, error) : inVain(parts, handling, { step: 'submit', error });
    }
  });
}

/** Looks at a node for which what was sent to it, and broken off, may still come to be there. */
const PATIENCE = 3;

/**
 * Milliseconds for which it is too early to believe that the node did not take it: it may be slow, and another controller
 * may be waiting for its answer still.
 */
function onItsWay({ sentOn }: DistTaskRow, { settings }: Parts): number {
  const patience = Math.max(PATIENCE * settings.interval, settings.node.answerTimeout);
  return (sentOn?.getTime() ?? 0) + patience * 1000 - Date.now();
}

/** The id of what an earlier try left on the node. Two tries that both arrived are one too many: the later ones are removed. */
async function taken(
  { clients, tasks }: Parts,
  node: NodeRow,
  task: DistTaskRow,
  signal: AbortSignal,
): Promise<number | null> {
  const [first, ...others] = await clients.of(node).find(task.mark, signal);
  for (const { id } of others) await tasks.leftBehind(task, id);
  return first?.id ?? null;
}

interface Sent {
  readonly node: NodeRow;
  readonly task: DistTaskRow;
  readonly remoteId: number;
}

async function noteIt(parts: Parts, { node, task, remoteId }: Sent): Promise<Again> {
  const { tasks, jobs, early, log } = parts;
  const noted = await tasks.move(task, 'processing', { remoteId, delegatedOn: new Date(), reason: null });
  if (noted !== null) {
    log('info', 'handed over', { task: task.id, node: node.name, remote: remoteId, stage: 'submit' });
    if (early.take(node.id, remoteId)) await jobs.at(node.id, 'bring', [task.id]);
    return null;
  }
  // Deleted, or given up, while it was on its way; or noted by another controller, perhaps as another copy.
  const now = await tasks.find(task.id);
  if (now?.mark !== task.mark || now.remoteId !== remoteId) await tasks.leftBehind(task, remoteId);
  await left(parts, task);
  return null;
}

async function failed(parts: Parts, handling: Handling, error: unknown): Promise<Again> {
  if (!(error instanceof NodeError)) throw error;
  const { node, task } = handling;
  if (error.unclear) return inVain(parts, handling, { step: 'submit', error });
  if (error.code !== 'NODE_REFUSED') {
    await nodeFailed(parts, { node, step: 'submit' }, error);
    return passOn(parts, task, reason(error));
  }
  // Another node may have other limits; a few refusals are an answer.
  await nodeAnswered(parts, node, 'submit');
  if (task.attempts >= parts.settings.attempts || task.pinned) {
    await failTask(parts, task, reason(error), { clean: false });
  } else {
    await parts.tasks.move(task, 'pending', {
      nodeId: null,
      avoid: withNode(task),
      reason: reason(error),
    });
    await parts.jobs.house('place');
  }
  return null;
}

/** The node does not have it, and cannot be given it now: back into the queue, at no cost to the task. */
async function passOn(parts: Parts, task: DistTaskRow, why: string | null = null): Promise<Again> {
  const attempts = task.state === 'sending' ? task.attempts - 1 : task.attempts;
  const nodeId = task.pinned ? task.nodeId : null;
  await parts.tasks.move(task, 'pending', { nodeId, attempts, ...(why !== null && { reason: why }) });
  await parts.jobs.house('place');
  return null;
}
