import { In, IsNull, Not, QueryFailedError, type DataSource, type EntityManager } from 'typeorm';
import type { QueryDeepPartialEntity } from 'typeorm/query-builder/QueryPartialEntity.js';
import { utcText } from '#storage/columns.js';
import { transaction, write } from '#storage/turns.js';
import { backOff } from './back-off.js';
import { changedRows } from './changed-rows.js';
import { DistTaskRow } from './entities/dist-task.entity.js';
import { NodeMachineRow, NodeRow } from './entities/node.entity.js';
import { replaceMachines, type Machine } from './node-machines.js';
import { ON_NODE } from './task.js';

/** So many failed calls in a row open the breaker. */
const OPENS_AT = 3;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;
/** No node is left alone for longer because it says so. */
const LONGEST_WISH_MS = 3_600_000;

export type NewNode = Pick<NodeRow, 'name' | 'url' | 'token' | 'dialect' | 'mode' | 'enabled'>;

/** What came of the removal of a node; nothing was changed unless it is `removed`. */
export type NodeRemoval =
  /** `failed`: the tasks that were pinned to it, as they are now. */
  | { readonly result: 'removed'; readonly failed: readonly DistTaskRow[] }
  | { readonly result: 'unknown' }
  /** Tasks are on it. */
  | { readonly result: 'busy' }
  /** So many tasks wait that may run nowhere else. */
  | { readonly result: 'waited for'; readonly waiting: number };

/** Known to be good: nothing has failed, nothing is waited for. */
const UNBROKEN = { failures: 0, retryOn: null, failingOn: null, lastError: null } as const;

/** The nodes, their machines, and how they answer. */
export class Nodes {
  constructor(private readonly db: DataSource) {}

  /** By id. */
  async list(): Promise<NodeRow[]> {
    return this.db.manager.find(NodeRow, { order: { id: 'ASC' } });
  }

  async find(name: string): Promise<NodeRow | null> {
    if (name.includes('\0')) return null; // PostgreSQL has no such text, and refuses to look for it
    return this.db.manager.findOneBy(NodeRow, { name });
  }

  async byId(id: number): Promise<NodeRow | null> {
    return this.db.manager.findOneBy(NodeRow, { id });
  }

  /** Null: the name or the URL is another node's. */
  async add(
    { name, url, token, dialect, mode, enabled }: NewNode,
    machines: readonly Machine[],
  ): Promise<NodeRow | null> {
    const row = {
      ...{ name, url, token, dialect, mode, enabled, createdOn: new Date(), seenOn: null },
      ...{ ...UNBROKEN, failedOn: null, status: null, statusOn: null },
    };
    return unlessTaken(null, () =>
      transaction(this.db, async (db) => {
        const { identifiers } = await db.insert(NodeRow, row);
        const { id } = identifiers[0] as { id: number };
        await replaceMachines(db, id, machines);
        return Object.assign(new NodeRow(), row, { id });
      }),
    );
  }

  /** It is called again at once, however it answered before. `taken`: the name or the URL is another node's. */
  async update(id: number, part: Partial<NewNode>): Promise<'updated' | 'unknown' | 'taken'> {
    return unlessTaken('taken', async () => {
      const { affected } = await write(this.db, (db) => db.update(NodeRow, { id }, { ...part, ...UNBROKEN }));
      return affected === 1 ? 'updated' : 'unknown';
    });
  }

  /**
   * Its machines and what was still to be deleted there go with it; tasks that have ended keep its id. With
   * `failWaiting` those that wait for it alone fail.
   */
  async remove(id: number, { failWaiting }: { readonly failWaiting: boolean }): Promise<NodeRemoval> {
    const name = (await this.byId(id))?.name;
    try {
      return await transaction(this.db, async (db): Promise<NodeRemoval> => {
        // First of all: who gives it a task now waits for this one's end, or this waits for theirs and sees it.
        const { affected } = await db.delete(NodeRow, { id });
        if (affected !== 1) return { result: 'unknown' };
        if (await db.existsBy(DistTaskRow, { nodeId: id, state: In([...ON_NODE]) }))
          throw new Kept({ result: 'busy' });
        const waiting = failWaiting ? 0 : await db.countBy(DistTaskRow, waitFor(id));
        if (waiting > 0) throw new Kept({ result: 'waited for', waiting });
        const reason = `it was to run on node ${JSON.stringify(name)} only, which was removed`;
        return { result: 'removed', failed: await failPinned(db, id, reason) };
      });
    } catch (error) {
      if (error instanceof Kept) return error.removal;
      throw error;
    }
  }

  /** Of all nodes, or one; those that lost their node are left out. */
  async machines(nodeId?: number): Promise<NodeMachineRow[]> {
    return this.db.manager.find(NodeMachineRow, {
      where: { nodeId: nodeId ?? Not(IsNull()) },
      order: { nodeId: 'ASC', id: 'ASC' },
    });
  }

  async setMachines(id: number, machines: readonly Machine[]): Promise<void> {
    await transaction(this.db, async (db) => {
      // Changes nothing and locks the row: of two that set them at once, one is done before the other looks.
      const { affected } = await db.update(NodeRow, { id }, { id });
      if (affected === 1) await replaceMachines(db, id, machines);
    });
  }

  /**
   * A good answer came; `status` is what it said of itself, when that was asked. `heals`: the failures before are forgotten,
   * since no other call fails.
   */
  async saw(id: number, status?: Record<string, unknown>, heals = true): Promise<void> {
    const seenOn = new Date();
    const said = status === undefined ? {} : { status, statusOn: seenOn };
    const set = { ...(heals && UNBROKEN), seenOn, ...said } as QueryDeepPartialEntity<NodeRow>;
    await write(this.db, (db) => db.update(NodeRow, { id }, set));
  }

  /**
   * A call failed that was begun when the node had failed `node.failures` times; of those that were under way together
   * one counts. From the third in a row on the node is left alone for 5 s, then 10 s, and so on, at most 5 min; for
   * `retryAfterMs` and at once, when it asked for that.
   *
   * @returns until when it is left alone; null: it is not
   */
  async failed(
    node: Pick<NodeRow, 'id' | 'failures'>,
    error: string,
    retryAfterMs: number | null = null,
  ): Promise<Date | null> {
    const { id } = node;
    return transaction(this.db, async (db) => {
      const update = db
        .createQueryBuilder()
        .update(NodeRow)
        .set({
          failures: () => 'failures + 1',
          lastError: error,
          ...(retryAfterMs === null && { failedOn: new Date(), failingOn: since(new Date()) }),
        })
        .where({ id, failures: node.failures });
      const [counted] = await changedRows(db, NodeRow, update);
      const now = counted ?? (await db.findOneBy(NodeRow, { id }));
      if (now === null) return null;
      const over = now.failures - OPENS_AT;
      const pause = counted && over >= 0 ? backOff(over + 1, FIRST_PAUSE_MS, LONGEST_PAUSE_MS) : null;
      const wait = retryAfterMs === null ? pause : Math.min(retryAfterMs, LONGEST_WISH_MS);
      if (wait === null) return now.retryOn;
      const retryOn = new Date(Date.now() + wait);
      await db.update(NodeRow, { id }, { retryOn });
      return retryOn;
    });
  }
}

/** The first of several failures in a row tells since when. */
function since(now: Date): () => string {
  return () => `COALESCE(failing_on, '${utcText(now)}')`;
}

/** Rolls the removal back. */
class Kept extends Error {
  constructor(readonly removal: NodeRemoval) {
    super(removal.result);
  }
}

/** Tasks that are pinned to the node, and wait. */
const waitFor = (nodeId: number) => ({ state: 'pending', pinned: true, nodeId }) as const;

async function failPinned(db: EntityManager, nodeId: number, reason: string): Promise<DistTaskRow[]> {
  const update = db
    .createQueryBuilder()
    .update(DistTaskRow)
    .set({ state: 'failed', epoch: () => 'epoch + 1', reason, completedOn: new Date() })
    .where(waitFor(nodeId));
  return changedRows(db, DistTaskRow, update);
}

/** @see https://www.postgresql.org/docs/current/errcodes-appendix.html: unique_violation */
async function unlessTaken<T, U>(taken: U, work: () => Promise<T>): Promise<T | U> {
  try {
    return await work();
  } catch (error) {
    const cause = error instanceof QueryFailedError ? (error.driverError as { code?: unknown }) : null;
    if (cause?.code === '23505' || cause?.code === 'SQLITE_CONSTRAINT_UNIQUE') return taken;
    throw error;
  }
}
