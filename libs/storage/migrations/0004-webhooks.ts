import { Table, type MigrationInterface, type QueryRunner, type TableColumnOptions } from 'typeorm';

const column = (name: string, type: string, more: Partial<TableColumnOptions> = {}): TableColumnOptions => ({
  name,
  type,
  ...more,
});
const id = column('id', 'integer', { isPrimary: true, isGenerated: true, generationStrategy: 'increment' });
/** See columns.ts. */
const date = (name: string, more: Partial<TableColumnOptions> = {}) =>
  column(name, 'varchar', { length: '23', ...more });
const orNull = { isNullable: true } as const;

const TABLES = [
  new Table({
    name: 'webhooks',
    columns: [
      id,
      column('url', 'text'),
      column('secret', 'text'),
      column('statuses', 'text'),
      date('created_on'),
      date('disabled_on', orNull),
    ],
  }),
  new Table({
    name: 'webhook_deliveries',
    columns: [
      id,
      column('webhook_id', 'integer'),
      column('message_id', 'varchar', { length: '32' }),
      column('task_id', 'integer'),
      column('status', 'varchar', { length: '20' }),
      date('created_on'),
      column('state', 'varchar', { length: '16' }),
      column('attempts', 'integer'),
      date('due_on'),
      date('attempted_on', orNull),
      column('last_status', 'integer', orNull),
      column('last_error', 'text', orNull),
    ],
    indices: [
      { name: 'webhook_deliveries_due', columnNames: ['state', 'webhook_id', 'due_on'] },
      { name: 'webhook_deliveries_page', columnNames: ['webhook_id', 'id'] },
    ],
    foreignKeys: [
      {
        columnNames: ['webhook_id'],
        referencedTableName: 'webhooks',
        referencedColumnNames: ['id'],
        onDelete: 'CASCADE',
      },
    ],
  }),
];

const ENDED = `('reported', 'recovered', 'failed_analysis', 'failed_processing', 'failed_reporting')`;

/** One message for each webhook that wants to know; `say` has the words in which the two databases differ. */
const insert = (say: { id: string; now: string; wants: string; lock: string }): string => `
  INSERT INTO webhook_deliveries (webhook_id, message_id, task_id, status, created_on, state, attempts, due_on)
  SELECT id, ${say.id}, NEW.id, NEW.status, ${say.now}, 'pending', 0, ${say.now}
  FROM webhooks WHERE disabled_on IS NULL AND ${say.wants}${say.lock};`;

const SQLITE = [
  `CREATE TRIGGER tasks_webhooks AFTER UPDATE OF status ON tasks
   WHEN NEW.status IN ${ENDED} AND NEW.status <> OLD.status
   BEGIN ${insert({
     id: 'lower(hex(randomblob(16)))',
     now: `strftime('%Y-%m-%d %H:%M:%f', 'now')`,
     wants: `instr(statuses, ',' || NEW.status || ',') > 0`,
     lock: '',
   })} END`,
];

const POSTGRES = [
  `CREATE FUNCTION tasks_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${insert({
    id: 'md5(concat(random(), clock_timestamp(), id, NEW.id))',
    now: `to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD HH24:MI:SS.MS')`,
    wants: `position(',' || NEW.status || ',' in statuses) > 0`,
    // A webhook that is deleted at this moment is left out; its foreign key would undo the task's move.
    lock: ' FOR KEY SHARE',
  })} RETURN NULL; END $$`,
  `CREATE TRIGGER tasks_webhooks AFTER UPDATE OF status ON tasks
   FOR EACH ROW WHEN (NEW.status IN ${ENDED} AND NEW.status <> OLD.status)
   EXECUTE FUNCTION tasks_webhooks()`,
];

/**
 * A trigger makes the messages, in the transaction that ends the task: no process and no path to a terminal state can
 * forget one, and a move makes each of them once.
 */
export class Webhooks1700000000004 implements MigrationInterface {
  name = 'Webhooks1700000000004';

  async up(db: QueryRunner): Promise<void> {
    for (const table of TABLES) await db.createTable(table);
    for (const statement of isSqlite(db) ? SQLITE : POSTGRES) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(isSqlite(db) ? 'DROP TRIGGER tasks_webhooks' : 'DROP TRIGGER tasks_webhooks ON tasks');
    if (!isSqlite(db)) await db.query('DROP FUNCTION tasks_webhooks');
    for (const table of TABLES.toReversed()) await db.dropTable(table);
  }
}

function isSqlite(db: QueryRunner): boolean {
  return db.dataSource.options.type === 'better-sqlite3';
}
