import { isDeepStrictEqual } from 'node:util';
import { In, type EntityManager } from 'typeorm';
import { NodeMachineRow } from './entities/node.entity.js';

/** A machine as its node tells of it. */
export interface Machine {
  readonly name: string;
  readonly label: string | null;
  readonly platform: string;
  /** Null: the node does not say. */
  readonly arch: string | null;
  readonly tags: readonly string[];
  readonly reserved: boolean;
}

interface NewRow extends Machine {
  readonly nodeId: number;
}

/** Rows in one statement: SQLite takes no more than 32,766 values. */
const AT_ONCE = 500;

/**
 * Inside a transaction that has locked the node: its machines are these now. Name and platform together say which is
 * which; one that vanished keeps its row and loses the node, and only the last row of its kind is kept.
 */
export async function replaceMachines(
  db: EntityManager,
  nodeId: number,
  machines: readonly Machine[],
): Promise<void> {
  const rows = await db.findBy(NodeMachineRow, { nodeId });
  const left = new Map(rows.map((row) => [identity(row), row]));
  const [added, changed]: [NewRow[], (NewRow & { readonly id: number })[]] = [[], []];
  for (const machine of new Map(machines.map((one) => [identity(one), only(one)])).values()) {
    const row = left.get(identity(machine));
    left.delete(identity(machine));
    if (!row) added.push({ ...machine, nodeId });
    else if (!isDeepStrictEqual(only(row), machine)) changed.push({ ...machine, nodeId, id: row.id });
  }
  // A node tells of its machines every few minutes: what is as it was costs nothing.
  for (const some of chunks(changed)) await change(db, some);
  for (const some of chunks(added)) await db.insert(NodeMachineRow, some);
  for (const some of chunks([...left.values()].map(({ id }) => id))) await unlink(db, some);
}

async function change(db: EntityManager, rows: NewRow[]): Promise<void> {
  const values = ['label', 'arch', 'tags', 'reserved'];
  await db
    .createQueryBuilder()
    .insert()
    // Named: otherwise TypeORM leaves the id to PostgreSQL.
    .into(NodeMachineRow, ['id', 'nodeId', 'name', 'platform', ...values])
    .values(rows)
    .orUpdate(values, ['id'])
    .execute();
}

async function unlink(db: EntityManager, ids: readonly number[]): Promise<void> {
  await db
    .createQueryBuilder()
    .delete()
    .from(NodeMachineRow)
    .where('node_id IS NULL')
    .andWhere(`(name, platform) IN (SELECT name, platform FROM node_machines WHERE id IN (${ids.join()}))`)
    .execute();
  await db.update(NodeMachineRow, { id: In([...ids]) }, { nodeId: null });
}

function* chunks<T>(all: readonly T[]): Generator<T[]> {
  for (let at = 0; at < all.length; at += AT_ONCE) yield all.slice(at, at + AT_ONCE);
}

function identity({ name, platform }: { readonly name: string; readonly platform: string }): string {
  return JSON.stringify([name, platform]);
}

/** What is stored of it, whatever else its object may have. */
function only({ name, label, platform, arch, tags, reserved }: Machine): Machine {
  return { name, label, platform, arch, tags, reserved };
}
