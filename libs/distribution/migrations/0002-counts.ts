import { Table, type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Tasks by the day they were submitted on (`YYYY-MM-DD`, UTC), their public status, and their priority: 1, 2, or 0 for
 * any other. Kept by triggers: counting a million rows takes the database a tenth of a second, and those who watch ask
 * every few seconds. The sum over `slot` is the count: on PostgreSQL a transaction adds to a row that no other one is
 * adding to, or makes one, so that two never wait for each other here; SQLite has one writer, and one slot.
 */
const COUNTS = new Table({
  name: 'dist_counts',
  columns: [
    { name: 'day', type: 'varchar', length: '10', isPrimary: true },
    { name: 'status', type: 'varchar', length: '16', isPrimary: true },
    { name: 'priority', type: 'integer', isPrimary: true },
    { name: 'slot', type: 'integer', isPrimary: true },
    { name: 'n', type: 'bigint' },
  ],
});

/** The key of a row; its status as `publicStatus` of task.ts has it. */
const keyOf = (row: 'OLD' | 'NEW'): string => `
  substr(${row}.submitted_on, 1, 10),
  CASE WHEN ${row}.state = 'pending' AND ${row}.pinned THEN 'assigned' WHEN ${row}.state = 'sending' THEN 'assigned'
       WHEN ${row}.state = 'fetching' THEN 'processing' ELSE ${row}.state END,
  CASE WHEN ${row}.priority IN (1, 2) THEN ${row}.priority ELSE 0 END`;

const add = (row: 'OLD' | 'NEW', n: 1 | -1): string =>
  `INSERT INTO dist_counts (day, status, priority, slot, n) VALUES (${keyOf(row)}, 0, ${n})
   ON CONFLICT (day, status, priority, slot) DO UPDATE SET n = dist_counts.n + (${n});`;

const SQLITE = [
  `CREATE TRIGGER dist_counts_insert AFTER INSERT ON dist_tasks BEGIN ${add('NEW', 1)} END`,
  `CREATE TRIGGER dist_counts_delete AFTER DELETE ON dist_tasks BEGIN ${add('OLD', -1)} END`,
  `CREATE TRIGGER dist_counts_update AFTER UPDATE OF state ON dist_tasks WHEN OLD.state <> NEW.state
   BEGIN ${add('OLD', -1)} ${add('NEW', 1)} END`,
];

const POSTGRESQL = [
  'CREATE SEQUENCE dist_counts_slot AS integer',
  `CREATE FUNCTION add_to_dist_counts(its_day varchar, its_status varchar, its_priority integer, change integer)
   RETURNS void LANGUAGE plpgsql AS $$
   DECLARE mine integer;
   BEGIN
     SELECT slot INTO mine FROM dist_counts WHERE day = its_day AND status = its_status AND priority = its_priority
       ORDER BY slot LIMIT 1 FOR UPDATE SKIP LOCKED;
     IF FOUND THEN
       UPDATE dist_counts SET n = n + change
         WHERE day = its_day AND status = its_status AND priority = its_priority AND slot = mine;
     ELSE
       INSERT INTO dist_counts VALUES (its_day, its_status, its_priority, nextval('dist_counts_slot'), change);
     END IF;
   END $$`,
  `CREATE FUNCTION count_dist_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     IF TG_OP <> 'INSERT' THEN PERFORM add_to_dist_counts(${keyOf('OLD')}, -1); END IF;
     IF TG_OP <> 'DELETE' THEN PERFORM add_to_dist_counts(${keyOf('NEW')}, 1); END IF;
     RETURN NULL;
   END $$`,
  `CREATE TRIGGER dist_counts AFTER INSERT OR DELETE OR UPDATE OF state ON dist_tasks
   FOR EACH ROW EXECUTE FUNCTION count_dist_tasks()`,
];

export class DistCounts1700000000102 implements MigrationInterface {
  name = 'DistCounts1700000000102';

  async up(db: QueryRunner): Promise<void> {
    await db.createTable(COUNTS);
    const sqlite = db.dataSource.options.type === 'better-sqlite3';
    for (const statement of sqlite ? SQLITE : POSTGRESQL) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    const sqlite = db.dataSource.options.type === 'better-sqlite3';
    const drops = sqlite
      ? ['insert', 'delete', 'update'].map((name) => `DROP TRIGGER dist_counts_${name}`)
      : [
          'DROP TRIGGER dist_counts ON dist_tasks',
          'DROP FUNCTION count_dist_tasks()',
          'DROP FUNCTION add_to_dist_counts(varchar, varchar, integer, integer)',
          'DROP SEQUENCE dist_counts_slot',
        ];
    for (const statement of drops) await db.query(statement);
    await db.dropTable(COUNTS);
  }
}
