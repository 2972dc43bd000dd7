import 'reflect-metadata';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseIntoClientConfig } from 'pg-connection-string';
import { DataSource, type DataSourceOptions, type MigrationInterface, type QueryRunner } from 'typeorm';
import { reason, SandboxError } from '#domain/errors.js';

/** Milliseconds one statement waits for another process's write lock. Writes here take a few. */
const BUSY_TIMEOUT_MS = 10_000;
/** KiB of pages a process keeps: the 2 MiB of SQLite's default hold the inner pages of a million tasks' indexes no more. */
const CACHE_KIB = 65_536;
/** Milliseconds to wait for a connection to PostgreSQL when the caller does not say. */
const DEFAULT_TIMEOUT_MS = 60_000;
/** Any number, the same for every process of ours: the advisory lock that PostgreSQL migrations hold. */
const MIGRATION_LOCK = 0x6d616c6b;

/** What a database holds: the classes of its rows, and what made its tables, oldest first. */
export interface Schema {
  /** Whose it is, as in "the lab". */
  readonly owner: string;
  /** What every database of this kind has had, and no other. */
  readonly sign: new () => MigrationInterface;
  readonly entities: readonly (new () => object)[];
  readonly migrations: readonly (new () => MigrationInterface)[];
}

/** The part of better-sqlite3 used here; it ships no types. */
interface Sqlite {
  pragma(source: string): unknown;
}

/**
 * Opens the database and brings its tables up to date; several processes may do so at once.
 * `connection` is `sqlite:///<path>` or a PostgreSQL URL; `timeoutMs` is how long to wait for a PostgreSQL connection.
 * Close it with `destroy()`.
 *
 * @throws CONFIG_INVALID for another kind of connection, DATABASE_NOT_OPEN, DATABASE_NEWER when a newer version has
 * migrated it, DATABASE_TAKEN when it is another part's or program's
 */
export async function openTables(
  connection: string,
  schema: Schema,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<DataSource> {
  const db = await dataSource(connection, schema, timeoutMs);
  try {
    await db.initialize();
    await migrate(db, schema);
    return db;
  } catch (cause) {
    if (db.isInitialized) await db.destroy();
    throw notOpened(connection, cause);
  }
}

/**
 * Looks at a database and migrates nothing: does it answer, is every table there, what time has it? `undone` are our
 * migrations that it has not had; all of them when it is empty.
 *
 * @throws DATABASE_NOT_OPEN, DATABASE_NEWER, DATABASE_TAKEN, CONFIG_INVALID
 */
export async function lookAtTables(
  connection: string,
  schema: Schema,
  timeoutMs: number,
): Promise<{ readonly version: string; readonly now: Date; readonly undone: number }> {
  const db = await dataSource(connection, schema, timeoutMs);
  try {
    await db.initialize();
    const runner = db.createQueryRunner();
    try {
      await mustKnowAll(runner, schema);
      const sqlite = db.options.type === 'better-sqlite3';
      const ask = sqlite
        ? "SELECT 'SQLite ' || sqlite_version() AS version, CAST(strftime('%s') AS REAL) * 1000 AS now"
        : "SELECT 'PostgreSQL ' || split_part(version(), ' ', 2) AS version, extract(epoch from clock_timestamp()) * 1000 AS now";
      const [row] = (await runner.query(ask)) as { version: string; now: number | string }[];
      const table = await runner.hasTable('migrations');
      const [done] = table
        ? ((await runner.query('SELECT count(*) AS n FROM migrations')) as { n: number | string }[])
        : [];
      return {
        version: row?.version ?? '',
        now: new Date(Number(row?.now)),
        undone: schema.migrations.length - Number(done?.n ?? 0),
      };
    } finally {
      await runner.release();
    }
  } catch (cause) {
    throw notOpened(connection, cause);
  } finally {
    if (db.isInitialized) await db.destroy();
  }
}

/** Not yet open. @throws CONFIG_INVALID, DATABASE_NOT_OPEN when the folder of its file cannot be made */
async function dataSource(connection: string, schema: Schema, timeoutMs: number): Promise<DataSource> {
  try {
    return new DataSource(await options(connection, schema, timeoutMs));
  } catch (cause) {
    throw notOpened(connection, cause);
  }
}

function notOpened(connection: string, cause: unknown): SandboxError {
  if (cause instanceof SandboxError) return cause;
  return new SandboxError('DATABASE_NOT_OPEN', `the database ${shown(connection)} does not open`, { cause });
}

async function options(
  connection: string,
  { entities, migrations }: Schema,
  timeoutMs: number,
): Promise<DataSourceOptions> {
  const common = {
    entities: [...entities],
    migrations: [...migrations],
    migrationsTableName: 'migrations',
  };
  const file = /^sqlite:\/\/(\/.+)$/.exec(connection)?.[1];
  if (file !== undefined) {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    return {
      ...common,
      type: 'better-sqlite3',
      database: file,
      timeout: BUSY_TIMEOUT_MS,
      prepareDatabase: prepareSqlite,
    };
  }
  if (/^postgres(ql)?:\/\//.test(connection)) {
    return {
      ...common,
      type: 'postgres',
      applicationName: 'malkoha',
      connectTimeoutMS: timeoutMs,
      // libpq's URLs, also those of a unix socket (`?host=/folder`), which TypeORM's own reader does not know.
      extra: parseIntoClientConfig(connection),
    };
  }
  throw new SandboxError(
    'CONFIG_INVALID',
    `[database] connection must be sqlite:///<path> or postgresql://…, not ${JSON.stringify(shown(connection))}`,
  );
}

async function prepareSqlite(sqlite: Sqlite): Promise<void> {
  await enterWal(sqlite);
  // An accepted task must survive power loss, not only the end of this process: each commit is synced.
  sqlite.pragma('synchronous = FULL');
  sqlite.pragma(`cache_size = -${CACHE_KIB}`);
}

/** The change to WAL does not wait for locks as statements do: two processes that start together may collide. */
async function enterWal(sqlite: Sqlite): Promise<void> {
  for (let left = 100; ; left -= 1) {
    try {
      sqlite.pragma('journal_mode = WAL');
      return;
    } catch (error) {
      if (left === 0 || !reason(error).includes('locked')) throw error;
      await sleep(20);
    }
  }
}

/** Only one process at a time migrates; the others wait, then find nothing to do. */
async function migrate(db: DataSource, schema: Schema): Promise<void> {
  const guard = db.createQueryRunner();
  const sqlite = db.options.type === 'better-sqlite3';
  try {
    await guard.query(sqlite ? 'BEGIN IMMEDIATE' : `SELECT pg_advisory_lock(${MIGRATION_LOCK})`);
    try {
      await mustKnowAll(guard, schema);
      // SQLite has one connection per process: the migrations run inside the transaction just begun.
      await db.runMigrations({ transaction: sqlite ? 'none' : 'each' });
      if (sqlite) await guard.query('COMMIT');
    } catch (error) {
      if (sqlite) await guard.query('ROLLBACK');
      throw error;
    } finally {
      if (!sqlite) await guard.query(`SELECT pg_advisory_unlock(${MIGRATION_LOCK})`);
    }
  } finally {
    await guard.release();
  }
}

/** What a newer version made of the tables this one would read wrongly, or write. @throws DATABASE_NEWER, DATABASE_TAKEN */
async function mustKnowAll(guard: QueryRunner, { owner, sign }: Schema): Promise<void> {
  if (!(await guard.hasTable('migrations'))) return;
  const done = (await guard.query('SELECT name FROM migrations ORDER BY timestamp')) as { name: string }[];
  const known = new Set(guard.dataSource.migrations.map(({ name = '' }) => name));
  const unknown = done.map(({ name }) => name).filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  if (!done.some(({ name }) => name === sign.name))
    throw new SandboxError(
      'DATABASE_TAKEN',
      `the database is that of another part of Malkoha, or of another program (it has ${unknown.join(', ')}): ${owner} needs one of its own`,
    );
  throw new SandboxError(
    'DATABASE_NEWER',
    `the database was migrated by a newer version of Malkoha (${unknown.join(', ')}), which this one does not know`,
  );
}

/** Without the password. */
export function shown(connection: string): string {
  return connection.replace(/:[^:@/]*@/, ':…@');
}
