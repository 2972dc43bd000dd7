import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { openDistDatabase } from '#distribution/database.js';
import { Nodes } from '#distribution/nodes.js';
import type { Machine } from '#distribution/node-machines.js';
import { Statuses } from '#distribution/statuses.js';
import { DistTasks } from '#distribution/tasks.js';
import { onEachDatabase } from '../support/databases.js';
import { addNode, bringDistTask, given, insertDistTask } from '../support/dist-task.js';

const machine = (name: string, tags: readonly string[] = []): Machine => ({
  ...{ name, label: name, platform: 'windows', arch: null, tags, reserved: false },
});

const never = new AbortController().signal;
/** Tasks that wait for the node alone fail. */
const force = { failWaiting: true };

onEachDatabase((fresh) => {
  let db: DataSource;
  let other: DataSource;
  let nodes: Nodes;
  let tasks: DistTasks;
  beforeEach(async () => {
    const connection = await fresh();
    [db, other] = await Promise.all([openDistDatabase(connection, '/'), openDistDatabase(connection, '/')]);
    nodes = new Nodes(db);
    tasks = new DistTasks(db, { ageingMs: 1000 });
  });
  afterEach(async () => {
    await db.destroy();
    await other.destroy();
  });

  const seconds = (from: number, until: Date | null) => until && Math.floor((until.getTime() - from) / 1000);

  test('two processes that open an empty database at once make its tables once', async () => {
    const names = await db.query<{ name: string }[]>('SELECT name FROM migrations ORDER BY timestamp');
    expect(names.map(({ name }) => name)).toEqual([
      'Idempotency1700000000003',
      'DistTables1700000000101',
      'DistCounts1700000000102',
      'DistHistory1700000000103',
      'DistStatistics1700000000104',
    ]);
    await addNode(db, 'one');
    expect(await new Nodes(other).list()).toEqual(await nodes.list());
  });

  test('a name is given to one node, also when two are added at once', async () => {
    const node = { url: 'http://n/', token: 's3cret', dialect: 'cape', mode: 'normal', enabled: true };
    const rows = await Promise.all(
      [nodes, new Nodes(other)].map((one) => one.add({ ...node, name: 'n' }, [machine('m')])),
    );
    expect(rows.filter((row) => row !== null)).toHaveLength(1);
    const [row] = await nodes.list();
    expect(rows).toContainEqual(row);
    expect(row).toMatchObject({ ...node, failures: 0, seenOn: null, status: null });
    expect(await nodes.find('n')).toEqual(row);
    expect(await nodes.byId(given(row).id)).toEqual(row);
    expect(await nodes.machines()).toMatchObject([{ nodeId: given(row).id, name: 'm' }]);
    const two = await addNode(db, 'two');
    expect(await nodes.update(two.id, { name: 'n' })).toBe('taken');
    expect(await nodes.update(99, { name: 'x' })).toBe('unknown');
    expect(await nodes.update(two.id, { name: 'three', enabled: false })).toBe('updated');
    expect(await nodes.byId(two.id)).toMatchObject({ name: 'three', enabled: false, url: two.url });
  });

  test('a URL is given to one node, also when two are added at once', async () => {
    const node = { url: 'http://n/', token: null, dialect: 'cape', mode: 'normal', enabled: true };
    const rows = await Promise.all([
      nodes.add({ ...node, name: 'a' }, []),
      new Nodes(other).add({ ...node, name: 'b' }, []),
    ]);
    expect(rows.filter((row) => row !== null)).toHaveLength(1);
    const two = await addNode(db, 'two');
    expect(await nodes.update(two.id, { url: node.url })).toBe('taken');
    expect(await nodes.byId(two.id)).toEqual(two);
  });

  test('a name that cannot be one is that of no node', async () => {
    await addNode(db, 'one');
    expect(await nodes.find('one\0')).toBeNull();
  });

  test('what is to be deleted on each node is counted', async () => {
    const { id } = await addNode(db, 'one');
    await addNode(db, 'two');
    expect(await tasks.removalsByNode()).toEqual(new Map());
    for (let n = 0; n < 2; n++) {
      const task = await insertDistTask(db, tasks);
      await tasks.finish(await bringDistTask(tasks, task, { to: 'fetching', nodeId: id }), []);
    }
    expect(await tasks.removalsByNode()).toEqual(new Map([[id, 2]]));
  });

  test('vector 19: machines that are new, changed, and gone', async () => {
    const { id } = await addNode(db, 'one');
    const { id: elsewhere } = await addNode(db, 'two');
    await nodes.setMachines(elsewhere, [machine('m0')]);
    await nodes.setMachines(id, [machine('m0'), machine('m1', ['a']), machine('m2')]);
    const before = await nodes.machines(id);
    await nodes.setMachines(id, [machine('m0'), machine('m1', ['b', 'c']), machine('new0')]);
    const after = await nodes.machines(id);
    expect(after.map(({ name, tags }) => [name, tags])).toEqual([
      ['m0', []],
      ['m1', ['b', 'c']],
      ['new0', []],
    ]);
    expect(after.slice(0, 2).map((row) => row.id)).toEqual(before.slice(0, 2).map((row) => row.id));
    const [m2] = await db.query<unknown[]>(`SELECT id, node_id FROM node_machines WHERE name = 'm2'`);
    expect(m2).toEqual({ id: given(before[2]).id, node_id: null });
    expect(await nodes.machines(elsewhere)).toHaveLength(1);
    expect(await nodes.machines()).toHaveLength(4);
  });

  test('a list of machines that comes and goes leaves no more than one row of each behind', async () => {
    const { id } = await addNode(db, 'one');
    const linux = { ...machine('m'), platform: 'linux' };
    for (let n = 0; n < 4; n++)
      for (const machines of [[machine('m'), machine('m'), linux], []]) await nodes.setMachines(id, machines);
    expect(await nodes.machines()).toEqual([]);
    const [left] = await db.query<{ n: number | string }[]>('SELECT count(*) AS n FROM node_machines');
    expect(Number(left?.n)).toBe(2);
    await nodes.setMachines(99, [machine('m')]);
    expect(await nodes.machines()).toEqual([]);
  });

  test('many machines are written in few statements, and none when nothing has changed', async () => {
    const { id } = await addNode(db, 'one');
    const many = (tags: readonly string[], from = 0) =>
      Array.from({ length: 1200 }, (_, n) => machine(`m${from + n}`, tags));
    const statements = async (machines: readonly Machine[]) => {
      let written = 0;
      const counter = {
        beforeQuery: ({ query }: { readonly query: string }): void => {
          if (query.includes('node_machines')) written += 1;
        },
      };
      db.subscribers.push(counter);
      await nodes.setMachines(id, machines);
      db.subscribers.splice(db.subscribers.indexOf(counter), 1);
      return written;
    };
    const READ = 1;
    expect(await statements(many(['a']))).toBe(READ + 3);
    const before = await nodes.machines(id);
    expect(await statements(many(['a']))).toBe(READ);
    expect(await statements(many(['b']))).toBe(READ + 3);
    const changed = await nodes.machines(id);
    expect(changed).toMatchObject(before.map(({ id, name, label }) => ({ id, name, label, tags: ['b'] })));
    // A hundred vanish, a hundred are new.
    expect(await statements(many(['b'], 100))).toBe(READ + 1 + 2);
    expect((await nodes.machines(id)).map(({ name }) => name)).toEqual(many([], 100).map(({ name }) => name));
    const [left] = await db.query<{ n: number | string }[]>(
      'SELECT count(*) AS n FROM node_machines WHERE node_id IS NULL',
    );
    expect(Number(left?.n)).toBe(100);
  });

  test('two who set the machines of a node at once add none twice', async () => {
    const { id } = await addNode(db, 'one');
    const machines = ['a', 'b', 'c'].map((name) => machine(name));
    await Promise.all([nodes, new Nodes(other)].map((one) => one.setMachines(id, machines)));
    expect((await nodes.machines(id)).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  test('a node that does not answer is left alone for longer and longer', async () => {
    const { id } = await addNode(db, 'one');
    const waits: (number | null)[] = [];
    for (let failures = 0; failures < 10; failures++)
      waits.push(seconds(Date.now(), await nodes.failed({ id, failures }, `timed out ${failures}`)));
    expect(waits).toEqual([null, null, 5, 10, 20, 40, 80, 160, 300, 300]);
    expect(await nodes.byId(id)).toMatchObject({ failures: 10, lastError: 'timed out 9', seenOn: null });
    expect((await nodes.byId(id))?.retryOn).toBeInstanceOf(Date);
    await nodes.saw(id, { tasks: { pending: 3 } });
    const seen = await nodes.byId(id);
    expect(seen).toMatchObject({ failures: 0, retryOn: null, lastError: null });
    expect(seen).toMatchObject({ status: { tasks: { pending: 3 } }, statusOn: seen?.seenOn });
    await nodes.saw(id);
    expect(await nodes.byId(id)).toMatchObject({ status: { tasks: { pending: 3 } } });
  });

  test('of calls that were under way together when a node failed one counts', async () => {
    const { id } = await addNode(db, 'one');
    for (const failures of [0, 0, 0, 1, 1, 2, 2, 2]) await nodes.failed({ id, failures }, 'cut off');
    const row = await nodes.byId(id);
    expect(row).toMatchObject({ failures: 3, retryOn: expect.any(Date) });
    expect(await nodes.failed({ id, failures: 2 }, 'cut off')).toEqual(row?.retryOn);
  });

  test('a node that asks for time has it at once, and one that was changed is called at once', async () => {
    const { id } = await addNode(db, 'one');
    expect(seconds(Date.now(), await nodes.failed({ id, failures: 0 }, 'busy', 42_000))).toBe(42);
    expect(seconds(Date.now(), await nodes.failed({ id, failures: 0 }, 'busy', 1e12))).toBe(3600);
    await nodes.update(id, { token: 'new' });
    expect(await nodes.byId(id)).toMatchObject({ failures: 0, retryOn: null, lastError: null, token: 'new' });
    expect(await nodes.failed({ id: 99, failures: 0 }, 'gone')).toBeNull();
  });

  test('a node with tasks is not removed; with it go its machines and removals, and tasks for it alone fail', async () => {
    const { id } = await addNode(db, 'one');
    await nodes.setMachines(id, [machine('m')]);
    const task = await bringDistTask(tasks, await insertDistTask(db, tasks), { to: 'fetching', nodeId: id });
    const pinned = await insertDistTask(db, tasks, {}, id);
    const free = await insertDistTask(db, tasks);
    expect(await nodes.remove(id, force)).toEqual({ result: 'busy' });
    expect(await nodes.machines(id)).toHaveLength(1);
    await tasks.finish(task, []);
    expect(await tasks.nodesWithRemovals()).toEqual([id]);
    expect(await nodes.remove(id, { failWaiting: false })).toEqual({ result: 'waited for', waiting: 1 });
    expect(await nodes.byId(id)).not.toBeNull();
    expect(await nodes.remove(id, force)).toMatchObject({ result: 'removed', failed: [{ id: pinned.id }] });
    expect(await nodes.remove(id, force)).toEqual({ result: 'unknown' });
    expect(await db.query('SELECT * FROM node_machines')).toEqual([]);
    expect(await db.query('SELECT * FROM dist_removals')).toEqual([]);
    expect(await tasks.find(task.id)).toMatchObject({ state: 'finished', nodeId: id });
    const reason = 'it was to run on node "one" only, which was removed';
    expect(await tasks.find(pinned.id)).toMatchObject({ state: 'failed', reason });
    expect(await tasks.find(free.id)).toEqual(free);
    expect(await tasks.delete(task.id)).toBe('deleted');
    expect((await addNode(db, 'one')).id).not.toBe(id);
  });

  test('of a task for a node and the removal of that node, neither is half done', async () => {
    for (let n = 0; n < 10; n++) {
      const { id } = await addNode(db, `n${n}`);
      const free = await insertDistTask(db, tasks);
      const theirs = new DistTasks(other, { ageingMs: 1000 });
      const [removed, moved, pinned] = await Promise.all([
        nodes.remove(id, force).then(({ result }) => result),
        theirs.move(free, 'assigned', { nodeId: id }),
        insertDistTask(other, theirs, {}, id).catch(() => null),
      ]);
      expect(removed === 'removed').toBe(moved === null);
      const now = pinned && (await tasks.find(pinned.id));
      if (now) expect(now.state).toBe(removed === 'removed' ? 'failed' : 'pending');
    }
  });

  test('statuses are kept one a minute, read in order, and swept by age', async () => {
    const statuses = new Statuses(db);
    const at = (second: number) => new Date(Date.UTC(2024, 0, 1, 9, 0, second));
    for (let second = 0; second < 200; second += 10) await statuses.add(1, { second }, at(second));
    await statuses.add(2, { cpuload: [0.5] }, at(61));
    const read = async (ids: number[], from: number, to: number) => {
      const found: unknown[] = [];
      for await (const { nodeId, timestamp, status } of statuses.between(ids, at(from), at(to)))
        found.push([nodeId, timestamp.getUTCMinutes(), status]);
      return found;
    };
    const ofOne = [0, 60, 120, 180].map((second) => [1, second / 60, { second }]);
    expect(await read([2, 1], 0, 3600)).toEqual([[2, 1, { cpuload: [0.5] }], ...ofOne]);
    expect(await read([1], 60, 180)).toEqual(ofOne.slice(1, 3));
    expect(await statuses.sweep(at(120), never)).toBe(3);
    expect(await read([1, 2], 0, 3600)).toEqual(ofOne.slice(2));
  });

  test('more statuses than fit into one page are all read, and all swept', async () => {
    const statuses = new Statuses(db);
    const start = Date.UTC(2024, 0, 1);
    await Promise.all(
      Array.from({ length: 600 }, (_, n) => statuses.add(1, { n }, new Date(start + n * 60_000))),
    );
    const found: unknown[] = [];
    for await (const { status } of statuses.between([1], new Date(start), new Date(start + 9e9)))
      found.push(status['n']);
    expect(found).toEqual(Array.from({ length: 600 }, (_, n) => n));
    expect(await statuses.sweep(new Date(start + 9e9), never)).toBe(600);
  });
});
