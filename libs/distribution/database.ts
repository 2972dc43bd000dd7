import { resolve } from 'node:path';
import type { DataSource } from 'typeorm';
import { SandboxError } from '#domain/errors.js';
import { IdempotencyRow } from '#storage/entities/idempotency.entity.js';
import { Idempotency1700000000003 } from '#storage/migrations/0003-idempotency.js';
import { openTables, shown, type Schema } from '#storage/open-database.js';
import { DistReportRow, DistTaskRow, NodeStatusRow, RemovalRow } from './entities/dist-task.entity.js';
import { NodeMachineRow, NodeRow } from './entities/node.entity.js';
import { DistTables1700000000101 } from './migrations/0001-tables.js';
import { DistCounts1700000000102 } from './migrations/0002-counts.js';
import { DistHistory1700000000103 } from './migrations/0003-history.js';
import { DistStatistics1700000000104 } from './migrations/0004-statistics.js';

const SCHEMA: Schema = {
  owner: 'the Distributed API',
  sign: DistTables1700000000101,
  entities: [
    ...[NodeRow, NodeMachineRow, DistTaskRow, DistReportRow],
    ...[RemovalRow, NodeStatusRow, IdempotencyRow],
  ],
  migrations: [
    Idempotency1700000000003,
    DistTables1700000000101,
    DistCounts1700000000102,
    DistHistory1700000000103,
    DistStatistics1700000000104,
  ],
};

/**
 * Opens the database of the distributed API, one of its own, and brings its tables up to date. `connection` is an URL
 * as SQLAlchemy has them, which the founding option --db takes; a relative SQLite file is below `baseDir`.
 *
 * @throws CONFIG_INVALID for another kind of connection, DATABASE_NOT_OPEN, DATABASE_NEWER, DATABASE_TAKEN when it is a
 * lab's, or another program's
 */
export async function openDistDatabase(connection: string, baseDir: string): Promise<DataSource> {
  return openTables(nativeConnection(connection, baseDir), SCHEMA);
}

/**
 * `sqlite:///rel.db`, `sqlite:////abs.db` and `postgresql+psycopg2://…` in the words of `openTables`; the driver that
 * SQLAlchemy would use does not matter here.
 *
 * @throws CONFIG_INVALID
 * @see https://docs.sqlalchemy.org/en/20/core/engines.html#database-urls
 */
export function nativeConnection(connection: string, baseDir: string): string {
  const sqlite = /^sqlite(?:\+\w+)?:\/\/\/([^?]+)$/.exec(connection)?.[1];
  if (sqlite !== undefined && sqlite !== ':memory:') return `sqlite://${resolve(baseDir, sqlite)}`;
  const server = /^postgres(?:ql)?(?:\+\w+)?(:\/\/.+)$/s.exec(connection)?.[1];
  if (server !== undefined) return `postgresql${server}`;
  throw new SandboxError(
    'CONFIG_INVALID',
    `the database must be sqlite:///<file>, sqlite:////<file from the root on> or postgresql://…, not ${JSON.stringify(shown(connection))}`,
  );
}
