import { Table, type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Tasks by status, kept by triggers: counting a million rows takes the database a tenth of a second, and schedulers ask
 * every few seconds. The sum over `slot` is the count. On PostgreSQL a transaction adds to a row that no other one is
 * adding to, or makes one, so that two never wait for each other here, and there are as many rows of a status as
 * transactions ever added to it at once; SQLite has one writer, and one slot.
 */
const TASK_COUNTS = new Table({
  name: 'task_counts',
  columns: [
    { name: 'status', type: 'varchar', length: '20', isPrimary: true },
    { name: 'slot', type: 'integer', isPrimary: true },
    { name: 'n', type: 'bigint' },
  ],
});

const add = (status: string, slot: string, n: number): string =>
  `INSERT INTO task_counts (status, slot, n) VALUES (${status}, ${slot}, ${n})
   ON CONFLICT (status, slot) DO UPDATE SET n = task_counts.n + (${n});`;

const SQLITE = [
  `CREATE TRIGGER task_counts_insert AFTER INSERT ON tasks BEGIN ${add('NEW.status', '0', 1)} END`,
  `CREATE TRIGGER task_counts_delete AFTER DELETE ON tasks BEGIN ${add('OLD.status', '0', -1)} END`,
  `CREATE TRIGGER task_counts_update AFTER UPDATE OF status ON tasks WHEN OLD.status <> NEW.status
   BEGIN ${add('OLD.status', '0', -1)} ${add('NEW.status', '0', 1)} END`,
];

const POSTGRESQL = [
  'CREATE SEQUENCE task_counts_slot AS integer',
  `CREATE FUNCTION add_to_task_counts(counted varchar, change integer) RETURNS void LANGUAGE plpgsql AS $$
   DECLARE mine integer;
   BEGIN
     SELECT slot INTO mine FROM task_counts WHERE status = counted ORDER BY slot LIMIT 1 FOR UPDATE SKIP LOCKED;
     IF FOUND THEN UPDATE task_counts SET n = n + change WHERE status = counted AND slot = mine;
     ELSE INSERT INTO task_counts VALUES (counted, nextval('task_counts_slot'), change);
     END IF;
   END $$`,
  `CREATE FUNCTION count_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     IF TG_OP <> 'INSERT' THEN PERFORM add_to_task_counts(OLD.status, -1); END IF;
     IF TG_OP <> 'DELETE' THEN PERFORM add_to_task_counts(NEW.status, 1); END IF;
     RETURN NULL;
   END $$`,
  `CREATE TRIGGER task_counts AFTER INSERT OR DELETE OR UPDATE OF status ON tasks
   FOR EACH ROW EXECUTE FUNCTION count_tasks()`,
];

export class TaskCounts1700000000005 implements MigrationInterface {
  name = 'TaskCounts1700000000005';

  async up(db: QueryRunner): Promise<void> {
    await db.createTable(TASK_COUNTS);
    const sqlite = db.dataSource.options.type === 'better-sqlite3';
    for (const statement of sqlite ? SQLITE : POSTGRESQL) await db.query(statement);
    // Once the triggers are there: an older process may be at work, and none of its tasks comes in between.
    await db.query('INSERT INTO task_counts SELECT status, 0, COUNT(*) FROM tasks GROUP BY status');
  }

  async down(db: QueryRunner): Promise<void> {
    const sqlite = db.dataSource.options.type === 'better-sqlite3';
    const drops = sqlite
      ? ['insert', 'delete', 'update'].map((name) => `DROP TRIGGER task_counts_${name}`)
      : [
          'DROP TRIGGER task_counts ON tasks',
          'DROP FUNCTION count_tasks()',
          'DROP FUNCTION add_to_task_counts(varchar, integer)',
          'DROP SEQUENCE task_counts_slot',
        ];
    for (const statement of drops) await db.query(statement);
    await db.dropTable(TASK_COUNTS);
  }
}
