import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { NodeRoom } from '#distribution/placement.js';
import { publicStatus } from '#distribution/task.js';
import { waitsFor } from '#distribution/waits-for.js';
import { plainDateOrNull } from '../../http/dates.js';
import { grouped } from '../../grouped.js';
import type { Context } from '../context.js';
import { roomsOf } from '../engine/rooms.js';

/** Tasks as one answer shows them. */
export class TaskViews {
  #rooms: Promise<readonly NodeRoom[]> | null = null;
  /** Why tasks wait, by lane: those of one lane wait for the same. */
  readonly #waits = new Map<string, string>();

  constructor(
    private readonly by: Context,
    readonly api: boolean,
  ) {}

  /** A page at most: what is asked of all of them is asked at once. */
  async of(rows: readonly DistTaskRow[]): Promise<TaskView[]> {
    const ended = rows.filter(({ state }) => state === 'finished' || state === 'failed');
    const reports = await this.by.tasks.reportsOf(ended.map(({ id }) => id));
    const formats = grouped(reports, ({ taskId }) => taskId);
    return Promise.all(
      rows.map(async (row) => {
        const here = (formats.get(row.id) ?? []).map(({ format }) => format);
        const path = row.sha256 === null ? row.target : this.by.samples.path(row.sha256);
        return taskView(row, { api: this.api, path, reports: here, waits: await this.#wait(row) });
      }),
    );
  }

  async #wait(row: DistTaskRow): Promise<string | null> {
    if (row.state !== 'pending') return null;
    const known = this.#waits.get(row.lane);
    if (known !== undefined) return known;
    const why = waitsFor(row, await (this.#rooms ??= roomsOf(this.by)));
    this.#waits.set(row.lane, why);
    return why;
  }
}

/** What a task's row does not say of it. */
interface Beside {
  readonly api: boolean;
  /** Of its file, or its URL. */
  readonly path: string;
  /** Formats of those that are here. */
  readonly reports: readonly string[];
  /** Null unless it waits. */
  readonly waits: string | null;
}

/**
 * A task as both presentations have it, but for `task_id`: at the root its id here, below /api its id on the node.
 * The keys from `finished` on are ours.
 */
function taskView(row: DistTaskRow, { api, path, reports, waits }: Beside) {
  const { id, remoteId, nodeId, state, target, category } = row;
  return {
    id,
    task_id: api ? remoteId : id,
    node_id: nodeId,
    path,
    filename: category === 'file' ? target : null,
    package: row.package,
    timeout: row.timeout,
    priority: row.priority,
    options: row.options,
    machine: row.machine,
    platform: row.platform,
    tags: row.tags.join(','),
    custom: row.custom,
    owner: row.owner,
    memory: row.memory,
    clock: plainDateOrNull(row.clock),
    enforce_timeout: row.enforceTimeout,
    submitted: plainDateOrNull(row.submittedOn),
    delegated: plainDateOrNull(row.delegatedOn),
    started: plainDateOrNull(row.startedOn),
    completed: plainDateOrNull(row.completedOn),
    status: publicStatus(state, row.pinned),
    finished: state === 'finished',
    node_task_id: remoteId,
    category,
    target,
    arch: row.arch,
    reason: row.reason,
    waits_for: waits,
    reports,
  };
}

export type TaskView = ReturnType<typeof taskView>;
