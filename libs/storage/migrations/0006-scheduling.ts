import { Table, type MigrationInterface, type QueryRunner } from 'typeorm';

const WORKERS = new Table({
  name: 'workers',
  columns: [
    { name: 'id', type: 'varchar', length: '255', isPrimary: true },
    { name: 'name', type: 'varchar', length: '64' },
    { name: 'host', type: 'varchar', length: '255' },
    { name: 'version', type: 'varchar', length: '32' },
    { name: 'started_on', type: 'varchar', length: '23' },
    { name: 'heartbeat_on', type: 'varchar', length: '23' },
    { name: 'paused', type: 'text', isNullable: true },
    { name: 'draining', type: 'boolean', default: false },
  ],
});

/** As SQL: to add a column, TypeORM builds a SQLite table anew, without the triggers that keep counts and webhooks. */
const COLUMNS = {
  tasks: ['arch text', 'submitter text', 'outcome varchar(40)', 'avoid text'],
  machines: [
    "arch varchar(32) NOT NULL DEFAULT 'x64'",
    'reserved boolean NOT NULL DEFAULT false',
    "manager varchar(32) NOT NULL DEFAULT ''",
    "state varchar(16) NOT NULL DEFAULT 'restoring'",
    'reason text',
    'retry_on varchar(23)',
    'enabled boolean NOT NULL DEFAULT true',
  ],
} as const;

/** What the tasks of one worker are found by: few rows, whatever the table holds. */
const TASKS_OF_WORKER = 'CREATE INDEX tasks_worker ON tasks (worker) WHERE worker IS NOT NULL';

/** Who runs what: workers with a heartbeat of their own, machines with a state, tasks with an outcome. */
export class Scheduling1700000000006 implements MigrationInterface {
  name = 'Scheduling1700000000006';

  async up(db: QueryRunner): Promise<void> {
    await db.createTable(WORKERS);
    for (const [table, columns] of Object.entries(COLUMNS))
      for (const column of columns) await db.query(`ALTER TABLE ${table} ADD COLUMN ${column}`);
    await db.query(TASKS_OF_WORKER);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP INDEX tasks_worker');
    for (const [table, columns] of Object.entries(COLUMNS))
      for (const column of columns)
        await db.query(`ALTER TABLE ${table} DROP COLUMN ${column.split(' ')[0]}`);
    await db.dropTable(WORKERS);
  }
}
