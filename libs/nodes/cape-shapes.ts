import { z } from 'zod';
import { quoted } from '#domain/quoted.js';
import { messageOf, type Answer } from './answer.js';
import { NodeError } from './error.js';
import type { NodeMachines, NodeStatus, RemoteTask } from './node.js';
import { count, id, kind, list, MOST_MACHINES, MOST_TAGS, name, reasonOf } from './shape.js';

/** Tasks of one list: a multiple of what api.conf of a node lets it give. */
const MOST_TASKS = 10_000;
/** Characters at the end of a task's options among which our mark is. */
const MARK_WITHIN = 4096;

/** The option that carries the mark of a task of ours. */
export const MARK_OPTION = 'dist_mark';

/** Around a failure, whatever the status of its answer: 200, mostly. */
const refusal = z.object({
  error: z.literal(true),
  /** Of tasks/delete. */
  failed: z.string().optional(),
  /** Of a submission: one for each file that was not taken. */
  errors: z.array(z.unknown()).optional(),
});

/** CAPE says itself that it did not do it. */
export function isRefusal({ body }: Answer): boolean {
  return refusal.safeParse(body).success;
}

/** The same, as its versions say it of a task that is not there. */
export function isNoTask(answer: Answer): boolean {
  return isRefusal(answer) && /Task (does not exist|not found)/i.test(answer.text);
}

const NO_REPORT =
  /not exist|not found|No reports created|still being analyzed|Task failed|No analysis directory/i;

/** The same of a report. */
export function isNoReport(answer: Answer): boolean {
  return isRefusal(answer) && NO_REPORT.test(answer.text);
}

/**
 * @param what names the node and the call
 * @throws NODE_REFUSED with what the node says
 */
export function mustBeTaken(what: string, answer: Answer): void {
  const refused = refusal.safeParse(answer.body);
  if (!refused.success) return;
  const { failed, errors = [] } = refused.data;
  const said = failed === undefined ? messageOf(answer) : quoted(answer.hide(failed));
  const more = errors.length === 0 ? '' : `, ${quoted(answer.hide(JSON.stringify(errors)))}`;
  const hint = /\bdisabled\b/i.test(said) ? '; switch it on in api.conf of the node' : '';
  throw new NodeError('NODE_REFUSED', `${what} was refused: ${said}${more}${hint}`);
}

/** POST tasks/create/file/ and url/: the ids; an archive becomes several. */
export const created = z
  .object({ data: z.object({ task_ids: list(id, 1000).refine((ids) => ids.length > 0) }) })
  .transform(({ data }): readonly number[] => data.task_ids);

/** GET cuckoo/status/ */
export const status = z
  .object({
    data: z.looseObject({
      machines: z.object({ total: count, available: count }),
      tasks: z.object({ reported: count, running: count, total: count, completed: count, pending: count }),
    }),
  })
  .transform(({ data }): NodeStatus => ({ machines: data.machines, tasks: data.tasks, raw: data }));

const machine = z.looseObject({
  name,
  label: name.nullish(),
  platform: kind,
  arch: kind.nullish(),
  tags: list(name, MOST_TAGS).nullish(),
  reserved: z.boolean().nullish(),
});

/** GET machines/list/ */
export const machines = z
  .object({ data: list(machine, MOST_MACHINES) })
  .transform(({ data: raw }): NodeMachines => ({
    machines: raw.map((one) => ({
      name: one.name,
      label: one.label ?? null,
      platform: one.platform,
      arch: one.arch ?? null,
      tags: one.tags ?? [],
      reserved: one.reserved ?? false,
    })),
    raw,
  }));

/** CAPE's words that Cuckoo does not have. */
const STATUS_WORDS: ReadonlyMap<string, string> = new Map([
  ['banned', 'failed_analysis'],
  ['distributed', 'running'],
  ['distributed_completed', 'completed'],
]);

const BANNED = 'The node bans who or what was submitted';

/** A task, and its status in CAPE's own words. */
export interface CapeTask extends RemoteTask {
  readonly own: string;
}

const task = z
  .object({
    id,
    status: name,
    options: z.string().nullish(),
    started_on: z.unknown().optional(),
    errors: z.unknown().optional(),
  })
  .transform((one): CapeTask => ({
    id: one.id,
    status: STATUS_WORDS.get(one.status) ?? one.status,
    own: one.status,
    mark: markIn(one.options ?? ''),
    startedOn: readDate(one.started_on),
    reason: reasonOf(one.errors) ?? (one.status === 'banned' ? BANNED : null),
  }));

/** GET tasks/view/<id>/ */
export const viewed = z.object({ data: task }).transform(({ data }) => data);

/** GET tasks/list/<limit>/<offset>/; `limit` is how many it gives at most, 1 when it does not say. */
export const listed = z
  .object({ data: list(task, MOST_TASKS), config: z.string().optional() })
  .transform(({ data, config = '' }) => ({
    tasks: data,
    limit: Number(/^Limit: (\d{1,9})/.exec(config)?.[1] ?? 1),
  }));

function markIn(options: string): string | null {
  const pairs = options
    .slice(-MARK_WITHIN)
    .split(',')
    .map((pair) => pair.trim());
  // What was submitted stands before ours.
  const pair = pairs.findLast((text) => text.startsWith(`${MARK_OPTION}=`));
  return pair?.slice(MARK_OPTION.length + 1) ?? null;
}

/** `YYYY-MM-DD HH:MM:SS` in UTC, unless cuckoo.conf of the node says otherwise; null when it is no date. */
function readDate(value: unknown): Date | null {
  const form = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)/;
  const [, day, time] = (typeof value === 'string' ? form.exec(value) : null) ?? [];
  const date = new Date(`${day}T${time}Z`);
  // Also no date: a year that PostgreSQL does not have.
  return date.getTime() > 0 ? date : null;
}
