import 'reflect-metadata';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseIntoClientConfig } from 'pg-connection-string';
import { DataSource, type DataSourceOptions, type QueryRunner } from 'typeorm';
import { reason, SandboxError } from '#domain/errors.js';
import { DeliveryRow } from './entities/delivery.entity.js';
import { ErrorRow } from './entities/error.entity.js';
import { GuestRow } from './entities/guest.entity.js';
import { IdempotencyRow } from './entities/idempotency.entity.js';
import { MachineRow } from './entities/machine.entity.js';
import { SampleRow } from './entities/sample.entity.js';
import { SubmitRow } from './entities/submit.entity.js';
import { TagRow } from './entities/tag.entity.js';
import { TaskRow } from './entities/task.entity.js';
import { WorkerRow } from './entities/worker.entity.js';
import { WebhookRow } from './entities/webhook.entity.js';
import { Tables1700000000001 } from './migrations/0001-tables.js';
import { Submits1700000000002 } from './migrations/0002-submits.js';
import { Idempotency1700000000003 } from './migrations/0003-idempotency.js';
import { Webhooks1700000000004 } from './migrations/0004-webhooks.js';
import { TaskCounts1700000000005 } from './migrations/0005-task-counts.js';
import { Scheduling1700000000006 } from './migrations/0006-scheduling.js';

/** Milliseconds one statement waits for another process's write lock. Writes here take a few. */
const BUSY_TIMEOUT_MS = 10_000;
/** KiB of pages a process keeps: the 2 MiB of SQLite's default hold the inner pages of a million tasks' indexes no more. */
const CACHE_KIB = 65_536;
/** Milliseconds to wait for a connection to PostgreSQL when the caller does not say. */
const DEFAULT_TIMEOUT_MS = 60_000;
/** Any number, the same for every process of ours: the advisory lock that PostgreSQL migrations hold. */
const MIGRATION_LOCK = 0x6d616c6b;

const ENTITIES = [
  ...[TaskRow, SampleRow, TagRow, GuestRow, ErrorRow, MachineRow],
  ...[SubmitRow, IdempotencyRow, WebhookRow, DeliveryRow, WorkerRow],
];
const MIGRATIONS = [
  Tables1700000000001,
  Submits1700000000002,
  Idempotency1700000000003,
  Webhooks1700000000004,
  TaskCounts1700000000005,
  Scheduling1700000000006,
];

/** The part of better-sqlite3 used here; it ships no types. */
interface Sqlite {
  pragma(source: string): unknown;
}

/**
 * Opens the database and brings its tables up to date; several processes may do so at once.
 * `connection` is `sqlite:///<path>` or a PostgreSQL URL; `timeoutMs` is how long to wait for a PostgreSQL connection.
 * Close it with `destroy()`.
 *
 * @throws CONFIG_INVALID for another kind of connection, SETUP_MISSING when it does not open, DATABASE_NEWER when a
 * newer version has migrated it
 */
export async function openDatabase(connection: string, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<DataSource> {
  const db = new DataSource(await options(connection, timeoutMs));
  try {
    await db.initialize();
    await migrate(db);
    return db;
  } catch (cause) {
    if (db.isInitialized) await db.destroy();
    if (cause instanceof SandboxError) throw cause;
    throw new SandboxError(
      'SETUP_MISSING',
      `the database did not open (${shown(connection)}): ${reason(cause)}`,
      {
        cause,
      },
    );
  }
}

/**
 * Looks at a database and migrates nothing: does it answer, is every table there, what time has it? `undone` are our
 * migrations that it has not had; all of them when it is empty.
 *
 * @throws SETUP_MISSING when it does not open, DATABASE_NEWER, CONFIG_INVALID
 */
export async function lookAtDatabase(
  connection: string,
  timeoutMs: number,
): Promise<{ readonly version: string; readonly now: Date; readonly undone: number }> {
  const db = new DataSource(await options(connection, timeoutMs));
  try {
    await db.initialize();
    const runner = db.createQueryRunner();
    try {
      await mustKnowAll(runner);
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
        undone: MIGRATIONS.length - Number(done?.n ?? 0),
      };
    } finally {
      await runner.release();
    }
  } catch (cause) {
    if (cause instanceof SandboxError) throw cause;
    throw new SandboxError('SETUP_MISSING', `${shown(connection)} does not open`, { cause });
  } finally {
    if (db.isInitialized) await db.destroy();
  }
}

/** Opens what `[database]` of cuckoo.conf says: its `connection`, or the SQLite file when that is empty; `timeout` is in seconds. */
export async function openConfigured(
  { connection, timeout }: { readonly connection: string; readonly timeout: number },
  sqliteFile: string,
): Promise<DataSource> {
  return openDatabase(connection === '' ? `sqlite://${sqliteFile}` : connection, timeout * 1000);
}

async function options(connection: string, timeoutMs: number): Promise<DataSourceOptions> {
  const common = { entities: ENTITIES, migrations: MIGRATIONS, migrationsTableName: 'migrations' };
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
async function migrate(db: DataSource): Promise<void> {
  const guard = db.createQueryRunner();
  const sqlite = db.options.type === 'better-sqlite3';
  try {
    await guard.query(sqlite ? 'BEGIN IMMEDIATE' : `SELECT pg_advisory_lock(${MIGRATION_LOCK})`);
    try {
      await mustKnowAll(guard);
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

/** What a newer version made of the tables this one would read wrongly, or write. @throws DATABASE_NEWER */
async function mustKnowAll(guard: QueryRunner): Promise<void> {
  if (!(await guard.hasTable('migrations'))) return;
  const done = (await guard.query('SELECT name FROM migrations ORDER BY timestamp')) as { name: string }[];
  const known = new Set(MIGRATIONS.map(({ name }) => name));
  const unknown = done.map(({ name }) => name).filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  throw new SandboxError(
    'DATABASE_NEWER',
    `the database was migrated by a newer version of Malkoha (${unknown.join(', ')}), which this one does not know`,
  );
}

/** Without the password. */
function shown(connection: string): string {
  return connection.replace(/:[^:@/]*@/, ':…@');
}
