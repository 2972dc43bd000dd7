import { Table, type MigrationInterface, type QueryRunner } from 'typeorm';

const IDEMPOTENCY = new Table({
  name: 'idempotency',
  columns: [
    { name: 'scope', type: 'varchar', length: '255', isPrimary: true },
    { name: 'key', type: 'varchar', length: '255', isPrimary: true },
    { name: 'fingerprint', type: 'varchar', length: '64' },
    { name: 'answer', type: 'text' },
    { name: 'added_on', type: 'varchar', length: '23' },
  ],
  // The sweep removes by age.
  indices: [{ name: 'idempotency_added', columnNames: ['added_on'] }],
});

export class Idempotency1700000000003 implements MigrationInterface {
  name = 'Idempotency1700000000003';

  async up(db: QueryRunner): Promise<void> {
    await db.createTable(IDEMPOTENCY);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.dropTable(IDEMPOTENCY);
  }
}
