import { Between, type DataSource, type EntityManager } from 'typeorm';
import type { QueryDeepPartialEntity } from 'typeorm/query-builder/QueryPartialEntity.js';
import { utcText } from '#storage/columns.js';
import { write } from '#storage/turns.js';
import { NodeStatusRow } from './entities/dist-task.entity.js';

const MINUTE_MS = 60_000;
/** Rows read, or removed, at a time. */
const PAGE = 500;

/** What nodes said of themselves over time. */
export class Statuses {
  constructor(private readonly db: DataSource) {}

  /** The first of each minute is kept, as of its beginning. */
  async add(nodeId: number, status: Readonly<Record<string, unknown>>, at = new Date()): Promise<void> {
    const timestamp = new Date(Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS);
    const row = { nodeId, timestamp, status } as QueryDeepPartialEntity<NodeStatusRow>;
    const insert = (db: EntityManager) => db.createQueryBuilder().insert().into(NodeStatusRow).values(row);
    await write(this.db, (db) => insert(db).orIgnore().updateEntity(false).execute());
  }

  /** Those from `from` on, before `to`, node by node, the oldest first. */
  async *between(nodeIds: readonly number[], from: Date, to: Date): AsyncGenerator<NodeStatusRow> {
    for (const nodeId of nodeIds) {
      for (let next = from; ;) {
        const rows = await this.#page(nodeId, next, to);
        yield* rows;
        const last = rows.at(-1);
        if (rows.length < PAGE || !last) break;
        next = new Date(last.timestamp.getTime() + 1);
      }
    }
  }

  /** Removes those from before then, a page at a time: others write in between. Answers how many. */
  async sweep(before: Date, signal: AbortSignal): Promise<number> {
    const old = `SELECT id FROM node_statuses WHERE timestamp < '${utcText(before)}' ORDER BY timestamp LIMIT ${PAGE}`;
    for (let removed = 0; ;) {
      signal.throwIfAborted();
      const { affected } = await write(this.db, (db) =>
        db.createQueryBuilder().delete().from(NodeStatusRow).where(`id IN (${old})`).execute(),
      );
      removed += affected ?? 0;
      if ((affected ?? 0) < PAGE) return removed;
    }
  }

  async #page(nodeId: number, from: Date, to: Date): Promise<NodeStatusRow[]> {
    const until = new Date(to.getTime() - 1);
    return this.db.manager.find(NodeStatusRow, {
      where: { nodeId, timestamp: Between(from, until) },
      order: { timestamp: 'ASC' },
      take: PAGE,
    });
  }
}
