import type { DataSource, EntityManager } from 'typeorm';

/** Per SQLite file: the end of the last write begun in this process. */
const lastWrite = new Map<string, Promise<unknown>>();

/**
 * Runs `work` in a transaction.
 *
 * SQLite has one connection per DataSource, so two transactions begun at once would become one, and a second
 * DataSource of the same process would block the event loop that the first needs to go on: on SQLite writers take turns.
 * Begin with a write: a SQLite transaction that begins with a read cannot become a writer once another process wrote.
 */
export async function transaction<T>(db: DataSource, work: (db: EntityManager) => Promise<T>): Promise<T> {
  return inTurn(db, () => db.transaction(work));
}

/** Runs a single writing statement, or several that need no transaction. */
export async function write<T>(db: DataSource, work: (db: EntityManager) => Promise<T>): Promise<T> {
  return inTurn(db, () => work(db.manager));
}

async function inTurn<T>(db: DataSource, work: () => Promise<T>): Promise<T> {
  if (db.options.type !== 'better-sqlite3') return work();
  const file = db.options.database;
  const before = lastWrite.get(file) ?? Promise.resolve();
  const mine = before.then(work);
  lastWrite.set(
    file,
    mine.catch(() => {}), // the next writer's turn comes whatever this one's end; the caller sees the error
  );
  return mine;
}
