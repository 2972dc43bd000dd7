import type { MigrationInterface, QueryRunner } from 'typeorm';

/** For history.ts: each of its questions reads one of these, and no row. */
const INDEXES = [
  ['dist_tasks_submitted', 'submitted_on'],
  ['dist_tasks_completed', 'completed_on', 'completed_on IS NOT NULL'],
  // Those that wait or are on a node, and those that were deleted before they ended.
  ['dist_tasks_uncompleted', 'state, submitted_on, priority', 'completed_on IS NULL'],
] as const;

export class DistHistory1700000000103 implements MigrationInterface {
  name = 'DistHistory1700000000103';

  async up(db: QueryRunner): Promise<void> {
    for (const [name, columns, where] of INDEXES) {
      const partial = where === undefined ? '' : ` WHERE ${where}`;
      await db.query(`CREATE INDEX ${name} ON dist_tasks (${columns})${partial}`);
    }
  }

  async down(db: QueryRunner): Promise<void> {
    for (const [name] of INDEXES) await db.query(`DROP INDEX ${name}`);
  }
}
