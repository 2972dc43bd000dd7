import { z } from 'zod';
import type { NodeMachines, NodeStatus, RemoteTask } from './node.js';
import { count, id, kind, list, MOST_MACHINES, MOST_TAGS, name, reasonOf } from './shape.js';

/** Tasks of one list: those of old versions, which list all, in an answer that is not too long. */
const MOST_TASKS = 10_000;
/** What a task of ours is marked with: nobody else's owner looks so. */
const MARK = /^dist:[\w-]{1,59}$/;

const counts = z.object({ reported: count, running: count, total: count, completed: count, pending: count });

/** GET cuckoo/status */
export const status = z
  .looseObject({ machines: z.looseObject({ total: count, available: count }), tasks: counts })
  .transform((raw): NodeStatus => {
    const { machines, tasks } = raw;
    return { machines: { total: machines.total, available: machines.available }, tasks, raw };
  });

/** Of the same answer; what no version of Cuckoo would say is none. */
export const version = z.object({ version: z.string().catch('') }).transform((body) => body.version);

const machine = z.looseObject({
  name,
  label: name.nullish(),
  platform: kind.nullish(),
  // Versions that have no tags yet leave the key out; some joined an empty list into one empty name.
  tags: list(name, MOST_TAGS).nullish(),
});

/** GET machines/list. No version of Cuckoo says what processor a machine has, or keeps machines back. */
export const machines = z
  .object({ machines: list(machine, MOST_MACHINES) })
  .transform(({ machines: raw }): NodeMachines => ({
    machines: raw.map((one) => ({
      name: one.name,
      label: one.label ?? null,
      platform: one.platform ?? '',
      arch: null,
      tags: (one.tags ?? []).filter((tag) => tag !== ''),
      reserved: false,
    })),
    raw,
  }));

const task = z
  .object({
    id,
    status: name,
    owner: z.string().nullish(),
    custom: z.string().nullish(),
    started_on: z.unknown().optional(),
    errors: z.unknown().optional(),
  })
  .transform((one): RemoteTask => ({
    id: one.id,
    status: one.status,
    mark: markOf(one.owner ? one.owner : lastWord(one.custom ?? '')),
    startedOn: readDate(one.started_on),
    reason: reasonOf(one.errors),
  }));

/** GET tasks/view/<id> */
export const viewed = z.object({ task }).transform((body) => body.task);

/** GET tasks/list */
export const listed = z.object({ tasks: list(task, MOST_TASKS) }).transform((body) => body.tasks);

/** POST tasks/create/file and url: the ids. The modified Cuckoo gives `task_ids` alone, of which there may be several. */
export const created = z
  .union([z.object({ task_id: id }), z.object({ task_ids: list(id, 1000).refine((ids) => ids.length > 0) })])
  .transform((body): readonly number[] => ('task_id' in body ? [body.task_id] : body.task_ids));

function markOf(text: string): string | null {
  return MARK.test(text) ? text : null;
}

/** Of versions that keep no owner: what was submitted as `custom` stands before our mark, whatever it is. */
function lastWord(custom: string): string {
  return custom.slice(custom.lastIndexOf(' ') + 1);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * `YYYY-MM-DD HH:MM:SS`, or RFC 1123 as tasks/view of 2.0.7 has it. Both are the node's own time without a zone (the
 * second only claims to be GMT): it is taken to be ours. Null when it is no date.
 */
export function readDate(value: unknown): Date | null {
  if (typeof value !== 'string') return null;
  const plain = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.\d{1,6})?$/.exec(value);
  const named = /^[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/.exec(value);
  const parts = plain?.slice(1).map(Number);
  if (parts !== undefined) return dateOf(parts);
  if (named === null) return null;
  const [, day, month = '', year, ...time] = named;
  return dateOf([year, MONTHS.indexOf(month) + 1, day, ...time].map(Number));
}

function dateOf([
  year = 0,
  month = 0,
  day = 0,
  hour = 0,
  minute = 0,
  second = 0,
]: readonly number[]): Date | null {
  const date = new Date(year, month - 1, day, hour, minute, second);
  const same = date.getFullYear() === year && date.getMonth() === month - 1 && date.getDate() === day;
  return same && hour < 24 && minute < 60 && second < 60 ? date : null;
}
