import type { EntityManager, ObjectLiteral, UpdateQueryBuilder } from 'typeorm';

/**
 * Runs an UPDATE of TypeORM's and answers the rows it changed, as they are now: in one statement, so that nobody comes
 * between. TypeORM itself does not know RETURNING on SQLite.
 */
export async function changedRows<T extends ObjectLiteral>(
  db: EntityManager,
  entity: new () => T,
  update: UpdateQueryBuilder<T>,
): Promise<T[]> {
  const [sql, values] = update.getQueryAndParameters();
  const answer = await db.query<unknown[]>(`${sql} RETURNING *`, values);
  const isSqlite = db.dataSource.options.type === 'better-sqlite3';
  // On PostgreSQL it is [rows, how many].
  const rows = (isSqlite ? answer : answer[0]) as Record<string, unknown>[];
  return rows.map((row) => entityOf(db, entity, row));
}

/** An entity of a row as SQL has it; TypeORM's own way, which also knows relations, takes longer. */
export function entityOf<T extends ObjectLiteral>(
  db: EntityManager,
  entity: new () => T,
  row: Readonly<Record<string, unknown>>,
): T {
  const { driver } = db.dataSource;
  const made = new entity() as Record<string, unknown>;
  for (const column of db.dataSource.getMetadata(entity).columns) {
    const value = row[column.databaseName];
    const isPlain = column.transformer === undefined && column.type !== 'boolean';
    made[column.propertyName] = isPlain ? value : driver.prepareHydratedValue(value, column);
  }
  return made as T;
}
