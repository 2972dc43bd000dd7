import { reason, SandboxError } from '#domain/errors.js';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import { DIST_ENDED } from '#distribution/task.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { unnamed } from '#distribution/unnamed.js';
import { ended, failTask, type Kept } from './ends.js';
import type { Step } from './ills.js';
import { inVain } from './in-vain.js';
import {
  closedFor,
  isLost,
  nodeAnswered,
  RETRY_MS,
  type Again,
  type Course,
  type Handling,
  type Parts,
} from './parts.js';
import { leave, see } from './see.js';

/** Milliseconds between tries to get a report that the node does not have, or not as it should be. */
const MISSING_MS = [1000, 3000, 6000] as const;

/**
 * Looks whether a task has ended on its node and brings its reports here. All that are wanted are on disk, synced and
 * checked, and that is committed, before anything of it is deleted there.
 */
export async function bring(
  parts: Parts,
  node: NodeRow,
  { taskId, course }: { readonly taskId: number; readonly course: Course },
  signal: AbortSignal,
): Promise<Again> {
  const task = await parts.tasks.find(taskId);
  if (task?.nodeId !== node.id || !['processing', 'fetching'].includes(task.state)) return null;
  if (task.remoteId === null) throw new Error(`task ${task.id} is ${task.state} without an id on its node`);
  if (isLost(course, parts)) {
    await leave(parts, task, `${task.reason ?? `node ${node.name} does not give its reports`}.`);
    return null;
  }
  const closed = closedFor(node);
  if (closed !== null) return closed;
  if (parts.withdrawing.has(task.id)) return RETRY_MS;
  let [at, step]: [DistTaskRow, Step] = [task, 'view'];
  try {
    const seen = await parts.clients.of(node).view(task.remoteId, signal);
    await nodeAnswered(parts, node, step);
    if ((await see(parts, { node, task, seen })) !== 'reported') return null;
    const startedOn = seen?.startedOn ?? task.startedOn;
    const fetching =
      task.state === 'fetching' ? task : await parts.tasks.move(task, 'fetching', { startedOn });
    if (fetching === null) return null;
    [at, step] = [fetching, 'report'];
    return await fetchAll(parts, { node, task: fetching, course }, signal);
  } catch (error) {
    if (!hasCode(error, 'NO_DISK_SPACE')) return inVain(parts, { node, task: at, course }, { step, error });
    parts.log('error', reason(error), { task: task.id, code: error.code, stage: 'bring' });
    await parts.tasks.note(at, reason(error));
    return 6 * RETRY_MS;
  }
}

async function fetchAll(parts: Parts, { node, task, course }: Handling, signal: AbortSignal): Promise<Again> {
  const began = performance.now();
  const kept: Kept[] = [];
  const { reportFormats, pcap } = parts.settings;
  for (const format of pcap ? [...reportFormats, 'pcap'] : reportFormats) {
    try {
      kept.push(await fetchOne(parts, { node, task, format }, signal));
    } catch (error) {
      if (!hasCode(error, 'REPORT_MISSING', 'REPORT_INVALID')) throw error;
      // A sample that sends nothing leaves no capture: that is no failure.
      if (format === 'pcap' && error.code === 'REPORT_MISSING') continue;
      const wait = MISSING_MS[course.faults];
      if (wait !== undefined) {
        await course.fault();
        return wait;
      }
      // What the node has of it stays there: nobody else has it.
      const why = `node ${node.name} has no good ${format} report of it (task ${task.remoteId} there): ${unnamed(node.name, reason(error))}`;
      await failTask(parts, task, why, { clean: false, reports: kept });
      return null;
    }
  }
  await nodeAnswered(parts, node, 'report');
  if (await parts.tasks.finish(task, kept)) {
    const ms = Math.round(performance.now() - began);
    parts.log('info', 'finished', { task: task.id, node: node.name, stage: 'bring', ms });
    await ended(parts, task);
  } else if (DIST_ENDED.includes((await parts.tasks.find(task.id))?.state ?? 'deleted')) {
    // Deleted or cancelled while it was fetched: nothing of it is to stay here.
    await parts.reports.remove(task.id);
  }
  return null;
}

interface Wanted {
  readonly node: NodeRow;
  readonly task: DistTaskRow;
  readonly format: string;
}

async function fetchOne(
  { clients, reports }: Parts,
  { node, task, format }: Wanted,
  signal: AbortSignal,
): Promise<Kept> {
  const temporary = await reports.temporary(task.id, format);
  const fetched = await clients.of(node).fetch(task.remoteId ?? 0, format, temporary, signal);
  await reports.keep(temporary, task.id, format);
  return { format, ...fetched };
}

function hasCode(error: unknown, ...codes: readonly string[]): error is SandboxError {
  return error instanceof SandboxError && codes.includes(error.code);
}
