import { Table, type MigrationInterface, type QueryRunner, type TableColumnOptions } from 'typeorm';

const column = (name: string, type: string, more: Partial<TableColumnOptions> = {}): TableColumnOptions => ({
  name,
  type,
  ...more,
});
/** AUTOINCREMENT on SQLite, a sequence on PostgreSQL: an id is never given twice. */
const id = column('id', 'integer', { isPrimary: true, isGenerated: true, generationStrategy: 'increment' });
const orNull = { isNullable: true } as const;
const words = (name: string, length: number, more: Partial<TableColumnOptions> = {}) =>
  column(name, 'varchar', { length: String(length), ...more });
/** See #storage/columns.js. */
const date = (name: string, more: Partial<TableColumnOptions> = {}) => words(name, 23, more);
const ofNode = {
  columnNames: ['node_id'],
  referencedTableName: 'nodes',
  referencedColumnNames: ['id'],
  onDelete: 'CASCADE',
};

const TABLES = [
  new Table({
    name: 'nodes',
    columns: [
      id,
      column('name', 'text', { isUnique: true }),
      // Two names for one node would run twice its share.
      column('url', 'text', { isUnique: true }),
      column('token', 'text', orNull),
      words('dialect', 16),
      column('enabled', 'boolean'),
      words('mode', 64),
      date('created_on'),
      date('seen_on', orNull),
      column('failures', 'integer'),
      date('retry_on', orNull),
      date('failing_on', orNull),
      date('failed_on', orNull),
      column('last_error', 'text', orNull),
      column('status', 'text', orNull),
      date('status_on', orNull),
    ],
  }),
  new Table({
    name: 'node_machines',
    columns: [
      id,
      column('node_id', 'integer', orNull),
      column('name', 'text'),
      column('label', 'text', orNull),
      words('platform', 32),
      words('arch', 32, orNull),
      column('tags', 'text'),
      column('reserved', 'boolean'),
    ],
    indices: [{ name: 'node_machines_node', columnNames: ['node_id'] }],
    foreignKeys: [ofNode],
  }),
  new Table({
    name: 'dist_tasks',
    columns: [
      id,
      words('mark', 64, { isUnique: true }),
      words('state', 16),
      column('epoch', 'integer'),
      words('category', 8),
      column('target', 'text'),
      words('sha256', 64, orNull),
      column('package', 'text', orNull),
      column('timeout', 'integer'),
      column('priority', 'integer'),
      column('options', 'text', orNull),
      column('machine', 'text', orNull),
      column('platform', 'text', orNull),
      column('arch', 'text', orNull),
      column('tags', 'text'),
      column('custom', 'text', orNull),
      column('owner', 'text', orNull),
      column('memory', 'boolean'),
      column('enforce_timeout', 'boolean'),
      date('clock', orNull),
      column('lane', 'text'),
      column('rank', 'bigint'),
      column('pinned', 'boolean'),
      // No foreign key: what has ended keeps the id of its node, also of one that was removed since.
      column('node_id', 'integer', orNull),
      column('remote_id', 'integer', orNull),
      column('remains', 'boolean'),
      column('attempts', 'integer'),
      column('avoid', 'text'),
      date('sent_on', orNull),
      column('reason', 'text', orNull),
      date('submitted_on'),
      date('delegated_on', orNull),
      date('started_on', orNull),
      date('completed_on', orNull),
    ],
    indices: [
      // Lists, and the reconciler's walks: see status-ranges.ts.
      { name: 'dist_tasks_state', columnNames: ['state', 'pinned', 'id'] },
      { name: 'dist_tasks_priority', columnNames: ['priority', 'state', 'pinned', 'id'] },
    ],
  }),
  new Table({
    name: 'dist_reports',
    columns: [
      column('task_id', 'integer', { isPrimary: true }),
      words('format', 64, { isPrimary: true }),
      column('size', 'bigint'),
      words('sha256', 64),
    ],
  }),
  new Table({
    name: 'dist_removals',
    columns: [
      id,
      column('node_id', 'integer'),
      column('remote_id', 'integer', orNull),
      words('mark', 64),
      date('created_on'),
      column('attempts', 'integer'),
      date('due_on'),
      column('last_error', 'text', orNull),
    ],
    indices: [{ name: 'dist_removals_due', columnNames: ['node_id', 'due_on', 'id'] }],
    foreignKeys: [ofNode],
  }),
  new Table({
    name: 'node_statuses',
    columns: [id, column('node_id', 'integer'), date('timestamp'), column('status', 'text')],
    indices: [
      { name: 'node_statuses_node', columnNames: ['node_id', 'timestamp'], isUnique: true },
      // The sweep removes by age.
      { name: 'node_statuses_age', columnNames: ['timestamp'] },
    ],
  }),
];

/** Partial: what each is for is few rows, or but one kind of them, whatever the table holds. */
const INDEXES = [
  `CREATE INDEX dist_tasks_waiting ON dist_tasks (lane, rank, id) WHERE state = 'pending'`,
  `CREATE INDEX dist_tasks_on_node ON dist_tasks (node_id, state, id)
   WHERE state IN ('assigned', 'sending', 'processing', 'fetching')`,
  `CREATE INDEX dist_tasks_remote ON dist_tasks (node_id, remote_id)
   WHERE state IN ('sending', 'processing', 'fetching')`,
  `CREATE INDEX dist_tasks_sample ON dist_tasks (sha256)
   WHERE state NOT IN ('finished', 'failed', 'deleted')`,
  `CREATE INDEX dist_tasks_ended ON dist_tasks (completed_on, id) WHERE state IN ('finished', 'failed')`,
  'CREATE INDEX dist_tasks_owner ON dist_tasks (owner, state, pinned, id) WHERE owner IS NOT NULL',
];

export class DistTables1700000000101 implements MigrationInterface {
  name = 'DistTables1700000000101';

  async up(db: QueryRunner): Promise<void> {
    for (const table of TABLES) await db.createTable(table);
    for (const index of INDEXES) await db.query(index);
  }

  async down(db: QueryRunner): Promise<void> {
    for (const table of TABLES.toReversed()) await db.dropTable(table);
  }
}
