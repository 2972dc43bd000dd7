import type { EntityManager } from 'typeorm';
import { reason, SandboxError } from '#domain/errors.js';
import { serves } from '#domain/machine.js';
import type { Submission } from '#domain/task.js';
import type { MachineRow } from '#storage/entities/machine.entity.js';
import { once, type RequestMark } from '#storage/idempotency.js';
import { toMachine } from '#storage/machines.js';
import type { Context } from '../context.js';
import { answerOf } from '../../http/idempotency-key.js';

/** A task that was just stored: what the queue and the machines need to know of it. */
export interface Stored extends Submission {
  readonly id: number;
}

export interface Accepted<T> {
  readonly answer: T;
  readonly tasks: readonly Stored[];
}

/**
 * Stores what a request asks for in one transaction and puts it into the queues. A request that comes again with its
 * Idempotency-Key is given the first one's answer.
 *
 * @throws 422 when the key was another request's
 */
export async function accept<T>(
  by: Context,
  mark: RequestMark | null,
  work: (db: EntityManager) => Promise<Accepted<T>>,
): Promise<T> {
  let tasks: readonly Stored[] = [];
  const result = await once(by.db, mark, async (db) => {
    const accepted = await work(db);
    tasks = accepted.tasks;
    return accepted.answer;
  });
  // The tasks are stored: from here on nothing may make the client send them again.
  const impossible = await warnOfNoMachine(tasks, by).catch((error: unknown) => {
    by.log('warn', reason(error));
    return 0;
  });
  await enqueue(tasks, by);
  if (impossible > 0) by.repair.ring();
  return answerOf(result);
}

/** Tells of tasks that were just stored, and puts them into the queues. */
export async function enqueue(stored: readonly Stored[], { tasks, queues, log }: Context): Promise<void> {
  for (const task of stored) tasks.announce(task.id, 'pending');
  for (const task of stored) {
    try {
      await queues.enqueueAnalysis({ ...task, addedOn: new Date() });
    } catch (error) {
      // The tasks are stored, and the reconciler will queue them: the client has nothing to do about it.
      log('warn', reason(error), { task: task.id, code: 'QUEUE_UNAVAILABLE' });
      return;
    }
  }
}

/**
 * A task is taken all the same, as Cuckoo does; its `errors` tell early why it will fail. Returns how many no machine
 * serves.
 */
async function warnOfNoMachine(tasks: readonly Stored[], by: Context): Promise<number> {
  if (tasks.length === 0) return 0;
  const suspects = servedByNone(tasks, await by.fleet.recent());
  if (suspects.length === 0) return 0;
  // What a second ago served none may do so now.
  const impossible = servedByNone(suspects, await by.machines.list());
  const { message } = new SandboxError('NO_MATCHING_MACHINE', 'No machine matches what the task asks for');
  for (const task of impossible) await by.tasks.addError(task.id, 'NO_MATCHING_MACHINE', message);
  return impossible.length;
}

/** Without any machine the lab is not up yet: nobody knows what it will have. */
function servedByNone(tasks: readonly Stored[], rows: readonly MachineRow[]): readonly Stored[] {
  const machines = rows.map(toMachine);
  if (machines.length === 0) return [];
  return tasks.filter((task) => !machines.some((machine) => serves(machine, task)));
}
