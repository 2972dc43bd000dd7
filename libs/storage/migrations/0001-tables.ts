import { Table, type MigrationInterface, type QueryRunner, type TableColumnOptions } from 'typeorm';

const id: TableColumnOptions = {
  name: 'id',
  type: 'integer',
  isPrimary: true,
  isGenerated: true,
  generationStrategy: 'increment', // AUTOINCREMENT on SQLite, a sequence on PostgreSQL: an id is never given twice
};
const text = (name: string, more: Partial<TableColumnOptions> = {}): TableColumnOptions => ({
  name,
  type: 'text',
  ...more,
});
const words = (name: string, length: number, more: Partial<TableColumnOptions> = {}): TableColumnOptions => ({
  name,
  type: 'varchar',
  length: String(length),
  ...more,
});
const integer = (name: string, more: Partial<TableColumnOptions> = {}): TableColumnOptions => ({
  name,
  type: 'integer',
  ...more,
});
/** See columns.ts. */
const date = (name: string, more: Partial<TableColumnOptions> = {}) => words(name, 23, more);
const flag = (name: string): TableColumnOptions => ({ name, type: 'boolean', default: 'false' });
const orNull = { isNullable: true } as const;

const TABLES = [
  new Table({ name: 'tags', columns: [id, words('name', 255, { isUnique: true })] }),
  new Table({
    name: 'samples',
    columns: [
      id,
      { name: 'file_size', type: 'bigint' },
      text('file_type'),
      words('md5', 32),
      words('crc32', 8),
      words('sha1', 40),
      words('sha256', 64),
      words('sha512', 128),
      words('ssdeep', 255, orNull),
    ],
    indices: [
      { name: 'samples_sha256', columnNames: ['sha256'], isUnique: true },
      { name: 'samples_md5', columnNames: ['md5'] },
      { name: 'samples_sha1', columnNames: ['sha1'] },
    ],
  }),
  new Table({
    name: 'tasks',
    columns: [
      id,
      text('target'),
      words('category', 16),
      integer('timeout', { default: 0 }),
      integer('priority', { default: 1 }),
      text('custom', orNull),
      text('owner', orNull),
      text('machine', orNull),
      text('package', orNull),
      text('options', orNull),
      text('platform', orNull),
      flag('memory'),
      flag('enforce_timeout'),
      date('clock', orNull),
      date('added_on'),
      date('started_on', orNull),
      date('completed_on', orNull),
      words('status', 20, { default: "'pending'" }),
      integer('sample_id', orNull),
      text('route', orNull),
      text('worker', orNull),
      date('heartbeat_on', orNull),
      integer('attempt', { default: 0 }),
      { name: 'epoch', type: 'bigint', default: 0 },
    ],
    indices: [
      // The reconciler walks one status by id; the API counts and filters by it.
      { name: 'tasks_status', columnNames: ['status', 'id'] },
      { name: 'tasks_sample', columnNames: ['sample_id', 'id'] },
    ],
    foreignKeys: [
      { columnNames: ['sample_id'], referencedTableName: 'samples', referencedColumnNames: ['id'] },
    ],
  }),
  new Table({
    name: 'tasks_tags',
    columns: [integer('task_id', { isPrimary: true }), integer('tag_id', { isPrimary: true })],
    indices: [{ name: 'tasks_tags_tag', columnNames: ['tag_id'] }],
    foreignKeys: [
      ofTask(),
      { columnNames: ['tag_id'], referencedTableName: 'tags', referencedColumnNames: ['id'] },
    ],
  }),
  new Table({
    name: 'guests',
    columns: [
      id,
      words('status', 16),
      words('name', 255),
      words('label', 255),
      words('manager', 255),
      date('started_on'),
      date('shutdown_on', orNull),
      integer('task_id', { isUnique: true }),
    ],
    foreignKeys: [ofTask()],
  }),
  new Table({
    name: 'errors',
    columns: [id, words('action', 64, orNull), text('message'), integer('task_id')],
    indices: [{ name: 'errors_task', columnNames: ['task_id'] }],
    foreignKeys: [ofTask()],
  }),
  new Table({
    name: 'machines',
    columns: [
      id,
      words('name', 255, { isUnique: true }),
      words('label', 255),
      words('ip', 255),
      words('platform', 255),
      text('options'),
      text('tags'),
      words('interface', 255, orNull),
      words('snapshot', 255, orNull),
      flag('locked'),
      date('locked_changed_on', orNull),
      words('status', 255, orNull),
      date('status_changed_on', orNull),
      words('resultserver_ip', 255),
      integer('resultserver_port'),
      text('worker'),
    ],
    indices: [{ name: 'machines_worker', columnNames: ['worker'] }],
  }),
];

function ofTask() {
  return {
    columnNames: ['task_id'],
    referencedTableName: 'tasks',
    referencedColumnNames: ['id'],
    onDelete: 'CASCADE',
  };
}

/** Orders of GET /tasks/list: unfinished tasks first, then by completion. Partial on purpose where a filter names the value. */
const LIST_ORDERS = [
  'CREATE INDEX "tasks_list" ON "tasks" ("completed_on" ASC NULLS FIRST, "id")',
  'CREATE INDEX "tasks_list_status" ON "tasks" ("status", "completed_on" ASC NULLS FIRST, "id")',
  'CREATE INDEX "tasks_list_owner" ON "tasks" ("owner", "completed_on" ASC NULLS FIRST, "id")',
];

export class Tables1700000000001 implements MigrationInterface {
  name = 'Tables1700000000001';

  async up(db: QueryRunner): Promise<void> {
    for (const table of TABLES) await db.createTable(table);
    const sqlite = db.dataSource.options.type === 'better-sqlite3';
    // SQLite sorts NULL first by itself, and refuses the words in an index.
    for (const order of LIST_ORDERS) await db.query(sqlite ? order.replace(' ASC NULLS FIRST', '') : order);
  }

  async down(db: QueryRunner): Promise<void> {
    for (const table of TABLES.toReversed()) await db.dropTable(table);
  }
}
