import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What ANALYZE would find once there are a million tasks: rows of the index, then how many of them share its first
 * column, its first two, and so on. Without it SQLite takes any column with `=` for a good choice, and reads all finished
 * tasks to find the oldest; and nobody runs ANALYZE later.
 *
 * @see https://www.sqlite.org/fileformat2.html#stat1tab
 */
const STATISTICS = {
  dist_tasks_state: '1100000 200000 200000 1',
  dist_tasks_priority: '1100000 300000 100000 100000 1',
  dist_tasks_owner: '1000000 10000 3000 3000 1',
  dist_tasks_waiting: '100000 1000 1 1',
  dist_tasks_on_node: '2000 20 10 1',
  dist_tasks_remote: '2000 20 1',
  dist_tasks_sample: '100000 2',
  dist_tasks_ended: '1000000 2 1',
  dist_tasks_submitted: '1100000 2',
  dist_tasks_completed: '1000000 20',
  dist_tasks_uncompleted: '100000 20000 2 1',
} as const;

export class DistStatistics1700000000104 implements MigrationInterface {
  name = 'DistStatistics1700000000104';

  async up(db: QueryRunner): Promise<void> {
    if (db.dataSource.options.type !== 'better-sqlite3') return;
    await db.query('ANALYZE dist_tasks'); // makes the table of statistics
    await db.query(`DELETE FROM sqlite_stat1 WHERE tbl = 'dist_tasks'`);
    for (const [index, rows] of Object.entries(STATISTICS))
      await db.query(`INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('dist_tasks', ?, ?)`, [index, rows]);
    await db.query('ANALYZE sqlite_schema'); // reads it, as each new connection does
  }

  async down(db: QueryRunner): Promise<void> {
    if (db.dataSource.options.type !== 'better-sqlite3') return;
    await db.query(`DELETE FROM sqlite_stat1 WHERE tbl = 'dist_tasks'`);
  }
}
