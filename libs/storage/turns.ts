import { QueryFailedError, type DataSource, type EntityManager } from 'typeorm';

/** Writers that commit together at most: the first of them waits for the last. */
const MOST_TOGETHER = 100;

type Work<T> = (db: EntityManager) => Promise<T>;

interface Turn {
  readonly db: DataSource;
  readonly work: Work<unknown>;
  /** False: one statement, which is a transaction by itself. */
  readonly needsTransaction: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Per SQLite file: those who wait for their turn; the entry is there while somebody writes. */
const waiting = new Map<string, Turn[]>();

/**
 * Runs `work` in a transaction.
 *
 * SQLite has one connection per DataSource, so two transactions begun at once would become one, and a second
 * DataSource of the same process would block the event loop that the first needs to go on: on SQLite writers take turns.
 * Those who come while somebody writes commit together, for the price of one sync of the disk; an error undoes the work
 * of its own writer only. Nobody hears of success before the commit.
 *
 * Begin with a write: a SQLite transaction that begins with a read cannot become a writer once another process wrote.
 */
export async function transaction<T>(db: DataSource, work: Work<T>): Promise<T> {
  return isSqlite(db) ? inTurn(db, { work, needsTransaction: true }) : db.transaction(work);
}

/** Runs a single writing statement. */
export async function write<T>(db: DataSource, work: Work<T>): Promise<T> {
  return isSqlite(db) ? inTurn(db, { work, needsTransaction: false }) : work(db.manager);
}

function isSqlite(db: DataSource): boolean {
  return db.options.type === 'better-sqlite3';
}

async function inTurn<T>(
  db: DataSource,
  { work, needsTransaction }: { work: Work<T>; needsTransaction: boolean },
): Promise<T> {
  const file = String(db.options.database);
  return new Promise<T>((resolve, reject) => {
    const turn: Turn = { db, work, needsTransaction, resolve: (value) => resolve(value as T), reject };
    const others = waiting.get(file);
    if (others) others.push(turn);
    else void takeTurns(file, [turn]);
  });
}

async function takeTurns(file: string, turns: Turn[]): Promise<void> {
  waiting.set(file, turns);
  for (let [first] = turns; first; [first] = turns) {
    const { db } = first;
    const others = turns.findIndex((turn) => turn.db !== db);
    const together = turns.splice(0, Math.min(others === -1 ? turns.length : others, MOST_TOGETHER));
    await (together.length === 1 ? alone(first) : commitTogether(db, together));
  }
  waiting.delete(file);
}

async function alone({ db, work, needsTransaction, resolve, reject }: Turn): Promise<void> {
  await (needsTransaction ? db.transaction(work) : work(db.manager)).then(resolve, reject);
}

async function commitTogether(db: DataSource, turns: readonly Turn[]): Promise<void> {
  const answers: (() => void)[] = [];
  try {
    await db.transaction(async (all) => {
      for (const { work, resolve, reject } of turns) {
        // A savepoint: within a transaction TypeORM makes no other.
        await all.transaction(work).then(
          (value) => answers.push(() => resolve(value)),
          (error: unknown) => {
            if (undoesAll(error)) throw error;
            answers.push(() => reject(error));
          },
        );
      }
    });
  } catch (error) {
    for (const { reject } of turns) reject(error);
    return;
  }
  for (const answer of answers) answer();
}

/** @see https://www.sqlite.org/lang_transaction.html: errors that end the whole transaction, savepoints and all */
function undoesAll(error: unknown): boolean {
  const code =
    error instanceof QueryFailedError ? String((error.driverError as { code?: unknown }).code) : '';
  return /^SQLITE_(FULL|IOERR|NOMEM|BUSY|INTERRUPT)/.test(code);
}
