import type { EntityManager } from 'typeorm';
import type { OutcomeCode } from '#domain/outcome.js';
import type { Sample, Task, TaskCategory, TaskStatus } from '#domain/task.js';
import { dateOf, dateOrNull } from './columns.js';
import type { GuestStatus } from './entities/guest.entity.js';
import type { Guest, TaskDetails, TaskLease } from './task-details.js';

export interface StoredTask extends TaskDetails {
  readonly lease: TaskLease;
}

const TASK = [
  ...['id', 'target', 'category', 'timeout', 'priority', 'custom', 'owner', 'machine', 'package', 'options'],
  ...[
    'platform',
    'arch',
    'memory',
    'enforce_timeout',
    'clock',
    'added_on',
    'started_on',
    'completed_on',
    'status',
  ],
  ...['sample_id', 'submit_id', 'route', 'submitter', 'outcome', 'avoid', 'worker', 'attempt', 'epoch'],
];
const SAMPLE = ['file_size', 'file_type', 'md5', 'crc32', 'sha1', 'sha256', 'sha512', 'ssdeep'];
const GUEST = ['id', 'status', 'name', 'label', 'manager', 'started_on', 'shutdown_on'];

/** What both databases answer: SQLite has 0 and 1 for booleans, PostgreSQL text for bigint. */
interface Row {
  readonly id: number;
  readonly target: string;
  readonly category: TaskCategory;
  readonly timeout: number;
  readonly priority: number;
  readonly custom: string | null;
  readonly owner: string | null;
  readonly machine: string | null;
  readonly package: string | null;
  readonly options: string | null;
  readonly platform: string | null;
  readonly arch: string | null;
  readonly memory: boolean | number;
  readonly enforce_timeout: boolean | number;
  readonly clock: string | null;
  readonly added_on: string;
  readonly started_on: string | null;
  readonly completed_on: string | null;
  readonly status: TaskStatus;
  readonly sample_id: number | null;
  readonly submit_id: number | null;
  readonly route: string | null;
  readonly submitter: string | null;
  readonly outcome: OutcomeCode | null;
  /** JSON array as text. */
  readonly avoid: string | null;
  readonly worker: string | null;
  readonly attempt: number;
  readonly epoch: number | string;
  readonly file_size: number | string;
  readonly file_type: string;
  readonly md5: string;
  readonly crc32: string;
  readonly sha1: string;
  readonly sha256: string;
  readonly sha512: string;
  readonly ssdeep: string | null;
  readonly guest_id: number | null;
  readonly guest_status: GuestStatus;
  readonly guest_name: string;
  readonly guest_label: string;
  readonly guest_manager: string;
  readonly guest_started_on: string;
  readonly guest_shutdown_on: string | null;
  /** JSON arrays as text. */
  readonly tags: string;
  readonly errors: string;
}

const QUERY = {
  'better-sqlite3': query(
    (text, from, order) =>
      `SELECT json_group_array(${text}) FROM (SELECT ${text} FROM ${from} ORDER BY ${order})`,
    'task.id IN (SELECT value FROM json_each(?))',
  ),
  postgres: query(
    (text, from, order) => `SELECT coalesce(json_agg(${text} ORDER BY ${order}), '[]')::text FROM ${from}`,
    'task.id = ANY (SELECT json_array_elements_text($1)::int)',
  ),
};

/** One query for any number of tasks: TypeORM's relations would take four, and most of the time to build their entities. */
function query(list: (text: string, from: string, order: string) => string, wanted: string): string {
  const columns = [
    ...TASK.map((name) => `task.${name}`),
    ...SAMPLE.map((name) => `sample.${name}`),
    ...GUEST.map((name) => `guest.${name} AS guest_${name}`),
  ];
  const tags = 'tasks_tags JOIN tags ON tags.id = tasks_tags.tag_id WHERE tasks_tags.task_id = task.id';
  return `SELECT ${columns.join(', ')},
      (${list('name', tags, 'tags.id')}) AS tags,
      (${list('message', 'errors WHERE errors.task_id = task.id', 'errors.id')}) AS errors
    FROM tasks task
    LEFT JOIN samples sample ON sample.id = task.sample_id
    LEFT JOIN guests guest ON guest.task_id = task.id
    WHERE ${wanted}`;
}

/** Those of the tasks that exist, by id. */
export async function readTasks(
  db: EntityManager,
  ids: readonly number[],
): Promise<ReadonlyMap<number, StoredTask>> {
  if (ids.length === 0) return new Map();
  const { type } = db.dataSource.options as { type: keyof typeof QUERY };
  const rows = await db.query<Row[]>(QUERY[type], [JSON.stringify(ids)]);
  return new Map(rows.map((row) => [row.id, stored(row)]));
}

function stored(row: Row): StoredTask {
  const tags = JSON.parse(row.tags) as string[];
  return {
    task: task(row, tags),
    guest: guest(row),
    errors: JSON.parse(row.errors) as string[],
    submitId: row.submit_id,
    lease: lease(row, tags),
  };
}

function task(row: Row, tags: readonly string[]): Task {
  return {
    id: row.id,
    category: row.category,
    target: row.target,
    package: row.package,
    timeout: row.timeout,
    priority: row.priority,
    custom: row.custom,
    owner: row.owner,
    machine: row.machine,
    platform: row.platform,
    arch: row.arch,
    tags,
    options: row.options,
    memory: Boolean(row.memory),
    enforceTimeout: Boolean(row.enforce_timeout),
    clock: dateOrNull(row.clock),
    status: row.status,
    addedOn: dateOf(row.added_on),
    startedOn: dateOrNull(row.started_on),
    completedOn: dateOrNull(row.completed_on),
    route: row.route,
    outcome: row.outcome,
    submitter: row.submitter,
    sample: sample(row),
  };
}

function sample(row: Row): Sample | null {
  if (row.sample_id === null) return null;
  return {
    id: row.sample_id,
    fileSize: Number(row.file_size),
    fileType: row.file_type,
    md5: row.md5,
    crc32: row.crc32,
    sha1: row.sha1,
    sha256: row.sha256,
    sha512: row.sha512,
    ssdeep: row.ssdeep,
  };
}

function guest(row: Row): Guest | null {
  if (row.guest_id === null) return null;
  return {
    id: row.guest_id,
    name: row.guest_name,
    label: row.guest_label,
    manager: row.guest_manager,
    status: row.guest_status,
    startedOn: dateOf(row.guest_started_on),
    shutdownOn: dateOrNull(row.guest_shutdown_on),
  };
}

function lease(row: Row, tags: readonly string[]): TaskLease {
  return {
    id: row.id,
    status: row.status,
    priority: row.priority,
    machine: row.machine,
    platform: row.platform,
    arch: row.arch,
    tags,
    owner: row.owner,
    submitter: row.submitter,
    addedOn: dateOf(row.added_on),
    avoid: row.avoid === null ? [] : (JSON.parse(row.avoid) as string[]),
    worker: row.worker,
    attempt: row.attempt,
    epoch: Number(row.epoch),
  };
}
