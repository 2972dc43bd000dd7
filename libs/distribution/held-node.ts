import type { EntityManager } from 'typeorm';

/** Whether the node is there; if so, nobody removes it before this transaction ends. */
export async function holdNode(db: EntityManager, id: number): Promise<boolean> {
  return (await db.query<unknown[]>(heldNode(db, id))).length > 0;
}

/** The same as SQL, also for a column. SQLite has one writer, and no words for it. */
export function heldNode(db: EntityManager, id: number | 'dist_tasks.node_id'): string {
  const sqlite = db.dataSource.options.type === 'better-sqlite3';
  return `SELECT nodes.id FROM nodes WHERE nodes.id = ${id}${sqlite ? '' : ' FOR KEY SHARE'}`;
}
