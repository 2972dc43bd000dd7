import type { Submission } from '#domain/task.js';
import type { Accepted } from './accept.js';

/** Both keys: old clients read the one, clients of the modified Cuckoo the other. */
export interface Created {
  readonly task_id: number;
  readonly task_ids: readonly number[];
}

/** Clients compare it. */
export const ALREADY_SUBMITTED = 'This file has already been submitted';

export function createdOne(id: number, submission: Submission): Accepted<Created> {
  return { answer: { task_id: id, task_ids: [id] }, tasks: [{ ...submission, id }] };
}
