import type { DataSource } from 'typeorm';
import { openDatabase } from '#storage/database.js';

/** A task that a node took. */
export interface Intake {
  readonly task: number;
  /** Whose it is, to the node: the mark of the distributed task. */
  readonly owner: string | null;
  readonly custom: string | null;
}

/** Writes down every task that a node takes, in the transaction that makes it: deleting the task does not undo it. */
export async function installIntake(database: string): Promise<void> {
  await withDatabase(database, async (db) => {
    await db.query('CREATE TABLE IF NOT EXISTS intake (task integer, owner text, custom text)');
    await db.query(
      'CREATE TRIGGER IF NOT EXISTS note_intake AFTER INSERT ON tasks ' +
        'BEGIN INSERT INTO intake VALUES (NEW.id, NEW.owner, NEW.custom); END',
    );
  });
}

export async function readIntake(database: string): Promise<readonly Intake[]> {
  return withDatabase(database, async (db) => db.query<Intake[]>('SELECT * FROM intake ORDER BY task'));
}

/** Tasks that are still on the node. */
export async function readTasks(database: string): Promise<readonly Intake[]> {
  return withDatabase(database, async (db) =>
    db.query<Intake[]>('SELECT id AS task, owner, custom FROM tasks ORDER BY id'),
  );
}

async function withDatabase<T>(file: string, work: (db: DataSource) => Promise<T>): Promise<T> {
  const db = await openDatabase(`sqlite://${file}`);
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}
