import { Table, type MigrationInterface, type QueryRunner } from 'typeorm';

const SUBMITS = new Table({
  name: 'submits',
  columns: [
    { name: 'id', type: 'integer', isPrimary: true, isGenerated: true, generationStrategy: 'increment' },
    { name: 'added', type: 'varchar', length: '23' },
    { name: 'submit_type', type: 'varchar', length: '16' },
    { name: 'data', type: 'text' },
  ],
});

export class Submits1700000000002 implements MigrationInterface {
  name = 'Submits1700000000002';

  async up(db: QueryRunner): Promise<void> {
    await db.createTable(SUBMITS);
    // As SQL: TypeORM would copy the whole table on SQLite, where both databases only note the column.
    await db.query('ALTER TABLE tasks ADD COLUMN submit_id integer REFERENCES submits (id)');
    await db.query('CREATE INDEX tasks_submit ON tasks (submit_id, id)');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP INDEX tasks_submit');
    await db.query('ALTER TABLE tasks DROP COLUMN submit_id');
    await db.dropTable(SUBMITS);
  }
}
