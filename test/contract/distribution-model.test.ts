import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { DataSource } from 'typeorm';
import { openDistDatabase } from '#distribution/database.js';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import { PUBLIC_STATUSES, publicStatus } from '#distribution/task.js';
import { DistTasks } from '#distribution/tasks.js';
import { onEachDatabase } from '../support/databases.js';
import { addNode, insertDistTask } from '../support/dist-task.js';

const NODES = 2;
/** A copy that a node got: where it is to be found, and by what. */
interface Copy {
  readonly nodeId: number;
  readonly mark: string;
}

/** What happens, to the task `which`, as it is now or as somebody held it `stale` moves ago. */
interface Step {
  readonly what:
    | 'submit'
    | 'submit pinned'
    | 'assign'
    | 'send'
    | 'submitted'
    | 'not there'
    | 'fetch'
    | 'fetch again'
    | 'finish'
    | 'fail'
    | 'fail clean'
    | 'give up'
    | 'delete'
    | 'clean up';
  readonly which: number;
  readonly stale: number;
}

/** Nodes and tasks as the tables should have them. */
class World {
  /** All versions of each task, the last as it is now. */
  readonly versions = new Map<number, DistTaskRow[]>();
  /** Copies on nodes that somebody must still care for. */
  readonly copies = new Map<string, Copy>();
  readonly ends = new Map<number, number>();
  #remoteId = 100;

  constructor(
    private readonly tasks: DistTasks,
    private readonly insert: (nodeId: number | null) => Promise<DistTaskRow>,
    private readonly nodes: readonly number[],
  ) {}

  async take({ what, which, stale }: Step): Promise<void> {
    const nodeId = this.nodes[which % NODES] ?? 0;
    if (what === 'submit' || what === 'submit pinned') {
      const row = await this.insert(what === 'submit' ? null : nodeId);
      this.versions.set(row.id, [row]);
      return;
    }
    if (what === 'clean up') return this.#cleanUp();
    const id = [...this.versions.keys()][which % Math.max(1, this.versions.size)];
    const versions = this.versions.get(id ?? 0);
    const now = versions?.at(-1);
    const held = versions?.at(-1 - stale) ?? now;
    if (!now || !held) return;
    const moved = await this.#act(what, held, nodeId);
    if (held !== now && what !== 'delete') expect(moved).toBe(false);
    if (!moved) expect(await this.tasks.find(now.id)).toEqual(now);
    else await this.#look(what, now);
  }

  async #act(
    what: Exclude<Step['what'], 'submit' | 'submit pinned' | 'clean up'>,
    held: DistTaskRow,
    nodeId: number,
  ): Promise<boolean> {
    const { tasks } = this;
    const isMoved = async (move: Promise<DistTaskRow | null>) => (await move) !== null;
    switch (what) {
      case 'assign':
        return isMoved(tasks.move(held, 'assigned', held.pinned ? {} : { nodeId }));
      case 'send':
        return isMoved(tasks.move(held, 'sending', { attempts: held.attempts + 1 }));
      case 'submitted':
        return isMoved(tasks.move(held, 'processing', { remoteId: ++this.#remoteId }));
      case 'not there':
        return isMoved(tasks.move(held, 'pending', { reason: what }));
      case 'fetch':
        return isMoved(tasks.move(held, 'fetching'));
      case 'fetch again':
        return held.state === 'fetching' && isMoved(tasks.move(held, 'processing'));
      case 'finish':
        return tasks.finish(held, [{ format: 'json', size: 1, sha256: '' }]);
      case 'fail':
        return tasks.fail(held, what, { clean: false });
      case 'fail clean':
        return tasks.fail(held, what, { clean: true });
      case 'give up':
        return tasks.giveUp(held, what);
      case 'delete':
        return (await tasks.delete(held.id)) === 'deleted';
    }
  }

  /** A move was made: it is one that the states allow, and what it says of copies holds. */
  async #look(what: Step['what'], before: DistTaskRow): Promise<void> {
    const now = await this.tasks.find(before.id);
    if (!now) throw new Error('a task is gone');
    expect(now.epoch).toBe(before.epoch + 1);
    this.versions.get(now.id)?.push(now);
    if (now.state === 'finished' || now.state === 'failed')
      this.ends.set(now.id, (this.ends.get(now.id) ?? 0) + 1);
    if (now.state === 'sending' && now.nodeId !== null)
      this.copies.set(now.mark, { nodeId: now.nodeId, mark: now.mark });
    if (what === 'not there') {
      this.copies.delete(before.mark);
      if (before.state !== 'sending' && before.state !== 'assigned') expect(now.mark).not.toBe(before.mark);
    }
    if (what === 'give up') expect(now.mark).not.toBe(before.mark);
    if (now.state === 'pending') expect(now.nodeId).toBe(now.pinned ? before.nodeId : null);
  }

  /** The nodes are told to delete what the tables say; nothing else is. */
  async #cleanUp(): Promise<void> {
    for (const nodeId of await this.tasks.nodesWithRemovals()) {
      for (const { id, mark } of await this.tasks.removals(nodeId, 3)) {
        expect(this.copies.get(mark)?.nodeId).toBe(nodeId);
        this.copies.delete(mark);
        await this.tasks.removed(id);
      }
    }
  }

  /** Each copy on a node is its task's, or that of a failed one that was left there, or is to be deleted: exactly one of them. */
  async compare(): Promise<void> {
    const rows = [...this.versions.values()].flatMap((versions) => versions.at(-1) ?? []);
    const removals: Copy[] = [];
    for (const nodeId of this.nodes)
      for (const { mark } of await this.tasks.removals(nodeId, 1000)) removals.push({ nodeId, mark });
    const held = rows
      .filter(({ state, remains }) => remains || ['sending', 'processing', 'fetching'].includes(state))
      .map(({ nodeId, mark }) => ({ nodeId, mark }));
    const byMark = (a: { mark: string }, b: { mark: string }) => a.mark.localeCompare(b.mark);
    expect([...removals, ...held].toSorted(byMark)).toEqual([...this.copies.values()].toSorted(byMark));
    expect([...this.ends.values()].every((n) => n === 1)).toBe(true);
    expect(new Set(rows.map(({ mark }) => mark)).size).toBe(rows.length);
    const counts = Object.fromEntries(PUBLIC_STATUSES.map((status) => [status, 0]));
    for (const { state, pinned } of rows) {
      const status = publicStatus(state, pinned);
      counts[status] = (counts[status] ?? 0) + 1;
    }
    expect(await this.tasks.counts()).toEqual(counts);
    expect(await this.tasks.list({})).toEqual(rows.toSorted((a, b) => a.id - b.id));
    for (const { id, state } of rows)
      expect(await this.tasks.reports(id)).toHaveLength(state === 'finished' ? 1 : 0);
  }
}

const forward = ['assign', 'send', 'submitted', 'fetch', 'finish'] as const;
const step: fc.Arbitrary<Step> = fc.record({
  what: fc.oneof(
    // So often that tasks come far.
    { weight: 6, arbitrary: fc.constantFrom(...forward, 'assign' as const, 'send' as const) },
    { weight: 1, arbitrary: fc.constantFrom('submit' as const, 'submit pinned' as const) },
    {
      weight: 2,
      arbitrary: fc.constantFrom<Step['what'][]>(
        ...(['not there', 'fetch again', 'fail', 'fail clean', 'give up', 'delete', 'clean up'] as const),
      ),
    },
  ),
  which: fc.nat(5),
  stale: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(4) }),
});

onEachDatabase((fresh, kind) => {
  let db: DataSource;
  beforeEach(async () => {
    db = await openDistDatabase(await fresh(), '/');
  });
  afterEach(() => db.destroy());

  test('whatever happens in whatever order, a task ends once and no copy on a node is forgotten', async () => {
    const nodes = [(await addNode(db, 'one')).id, (await addNode(db, 'two')).id];
    const tasks = new DistTasks(db, { ageingMs: 1000 });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        for (const table of ['dist_tasks', 'dist_reports', 'dist_removals'])
          await db.query(`DELETE FROM ${table}`);
        const world = new World(tasks, (nodeId) => insertDistTask(db, tasks, {}, nodeId), nodes);
        for (const what of ['submit', 'submit', 'submit pinned'] as const)
          await world.take({ what, which: 0, stale: 0 });
        for (const one of steps) await world.take(one);
        await world.compare();
      }),
      { numRuns: kind === 'sqlite' ? 40 : 15 },
    );
  });
});
