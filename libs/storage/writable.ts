import type { DataSource } from 'typeorm';
import { SandboxError } from '#domain/errors.js';
import { write } from './turns.js';

/**
 * Changes nothing, in a way that only a database which takes writes allows: not a standby, nor one whose file became
 * read-only. Its tables must be those of this program, or of a later one.
 *
 * @throws SETUP_MISSING for tables of an earlier one, and what the database says
 */
export async function mustTakeWrites(db: DataSource): Promise<void> {
  await write(db, (manager) => manager.query('UPDATE migrations SET name = name WHERE 1 = 0'));
  const done = await db.query<{ readonly name: string }[]>('SELECT name FROM migrations');
  const names = new Set(done.map(({ name }) => name));
  const missing = db.migrations.map(({ name = '' }) => name).filter((name) => !names.has(name));
  if (missing.length > 0)
    throw new SandboxError('SETUP_MISSING', `the tables are of an earlier version: ${missing.join(', ')}`);
}
