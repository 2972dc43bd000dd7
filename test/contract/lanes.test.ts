import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Lanes, type LaneSettings, type QueuedTask } from '#queue/lane-queue.js';
import { laneOf } from '#domain/lanes.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { queued } from '../support/task.js';

const all = () => true;
const at = (seconds: number): Date => new Date(1_700_000_000_000 + 1000 * seconds);

describe('lanes', () => {
  let server: TestRedis;
  let lanes: Lanes;
  const open = (settings: Partial<LaneSettings> = {}) =>
    new Lanes(server.redis, { ageing: 0, weights: new Map(), ...settings });
  const add = async (...tasks: QueuedTask[]) => Promise.all(tasks.map((task) => lanes.add(task)));
  async function take(count: number): Promise<number[]> {
    const ids: number[] = [];
    while (ids.length < count) ids.push((await lanes.take(all))?.id ?? 0);
    return ids;
  }

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await server.redis.flushall();
    lanes = open();
  });

  test('the larger priority first, then who came first, over all lanes a host serves', async () => {
    await add(
      queued({ id: 1, addedOn: at(5) }),
      queued({ id: 2, addedOn: at(3), platform: 'linux' }),
      queued({ id: 3, addedOn: at(9), priority: 2, platform: 'windows' }),
      queued({ id: 4, addedOn: at(4), tags: ['office'] }),
      queued({ id: 5, addedOn: at(1), priority: -3 }),
    );
    expect(await take(6)).toEqual([3, 2, 4, 1, 5, 0]);
  });

  test('a host takes of the lanes it serves only', async () => {
    const windows = queued({ id: 1, priority: 9, platform: 'windows' });
    await add(windows, queued({ id: 2, platform: 'linux' }));
    const serves = (lane: string) => lane === 'platform=linux';
    expect(await lanes.take(serves)).toMatchObject({ id: 2, lane: 'platform=linux' });
    expect(await lanes.take(serves)).toBeNull();
    expect(lanes.known).toContain(laneOf(windows));
  });

  test('of one account the order of submission holds, however many come at once', async () => {
    const ids = Array.from({ length: 300 }, (_, n) => n + 1);
    await add(...ids.map((id) => queued({ id, submitter: 'ann' })));
    expect(await take(300)).toEqual(ids);
  });

  test('waiting lifts a task: after an hour of ageing 600 s it passes what is six levels above', async () => {
    lanes = open({ ageing: 600 });
    const now = Date.now();
    await add(
      queued({ id: 1, priority: 7, addedOn: new Date(now) }),
      queued({ id: 2, priority: 1, addedOn: new Date(now - 3_660_000) }),
      queued({ id: 3, priority: 8, addedOn: new Date(now) }),
    );
    expect(await take(3)).toEqual([3, 2, 1]);
  });

  test('an account with ten thousand tasks does not hold up one with a few', async () => {
    await add(...Array.from({ length: 10_000 }, (_, n) => queued({ id: n + 1, submitter: 'bulk' })));
    expect(await take(500)).toEqual(Array.from({ length: 500 }, (_, n) => n + 1));
    await add(...Array.from({ length: 20 }, (_, n) => queued({ id: 20_001 + n, submitter: 'light' })));
    const next = await take(40);
    // One of each in turn, as long as both have some.
    for (let n = 2; n <= 40; n += 2) {
      const light = next.slice(0, n).filter((id) => id > 20_000).length;
      expect(Math.abs(light - n / 2)).toBeLessThanOrEqual(1);
    }
    expect(next.filter((id) => id > 20_000)).toHaveLength(20);
  });

  test('weights 3:1 give 3:1, and who was away gets no arrears', async () => {
    lanes = open({ weights: new Map([['heavy', 3]]) });
    const of = (from: number, submitter: string) =>
      Array.from({ length: 400 }, (_, n) => queued({ id: from + n, submitter }));
    await add(...of(1000, 'heavy'), ...of(3000, 'ann'));
    const share = async (from: number) =>
      (await take(200)).filter((id) => id >= from && id < from + 1000).length;
    expect(await share(1000)).toBe(150);
    await add(...of(5000, 'late'));
    const late = await share(5000); // of 3 + 1 + 1 shares one
    expect(Math.abs(late - 40)).toBeLessThanOrEqual(1);
  });

  test('who has no token is known by the owner of the task', async () => {
    await add(...[1, 2, 3].map((id) => queued({ id, owner: 'ann' })));
    await add(queued({ id: 4, owner: 'bob' }), queued({ id: 5, owner: 'ann', submitter: 'bob' }));
    expect(await take(5)).toEqual([1, 4, 2, 5, 3]);
  });

  test('what had its turn goes to the front; it stays behind a larger priority', async () => {
    await add(queued({ id: 1 }), queued({ id: 2 }), queued({ id: 3, priority: 2 }));
    await lanes.add(queued({ id: 9 }), { at: 'front' });
    expect((await take(2)).toSorted()).toEqual([1, 3]); // 1 and 9 have the same turn: the older is first
    const back = await lanes.take(all);
    expect(back?.id).toBe(9);
    if (back !== null) await lanes.putBack(back);
    expect(await take(2)).toEqual([9, 2]);
  });

  test('what is delayed is taken by nobody before it is due, and says so', async () => {
    await lanes.add(queued({ id: 1 }), { delayMs: 60_000 });
    expect(await lanes.take(all)).toBeNull();
    expect(lanes.dueInMs).toBeGreaterThan(50_000);
    expect(await lanes.place(1)).toEqual({ state: 'delayed' });
    expect(await lanes.has([1, 2])).toEqual([true, false]);
    expect(await lanes.add(queued({ id: 1 }))).toBe(false);
    expect(await lanes.remove(1)).toBe(true);
    expect(await lanes.take(all)).toBeNull();
    expect(lanes.dueInMs).toBeNull();
  });

  test('a place counts what is before it in its lane, and the depths what is in each', async () => {
    await add(
      queued({ id: 1 }),
      queued({ id: 2 }),
      queued({ id: 3, priority: 5 }),
      queued({ id: 4, tags: ['a|b'] }),
    );
    expect(await lanes.place(2)).toEqual({ state: 'waiting', ahead: 2 });
    expect(await lanes.place(4)).toEqual({ state: 'waiting', ahead: 0 });
    expect(await lanes.place(77)).toEqual({ state: 'none' });
    const depths = (await lanes.depths()).map(({ lane, waiting }) => [lane, waiting] as const);
    expect(new Map(depths)).toEqual(
      new Map([
        ['any', 3],
        ['tags=a%7Cb', 1],
      ]),
    );
    expect(await lanes.tasksOf('any', 2)).toHaveLength(2);
  });

  test('many hosts that take at once never get the same task, and miss none', async () => {
    const ids = Array.from({ length: 400 }, (_, n) => n + 1);
    await add(
      ...ids.map((id) => queued({ id, priority: id % 3, submitter: `a${id % 7}`, tags: [`t${id % 5}`] })),
    );
    const hosts = await Promise.all(
      [1, 2, 3, 4].map(async () => new Lanes(await server.connect(), { ageing: 60, weights: new Map() })),
    );
    const found = await Promise.all(
      hosts.map(async (host) => {
        const own: number[] = [];
        for (let task = await host.take(all); task !== null; task = await host.take(all)) {
          // Every tenth is put back once, for whoever comes next.
          if (task.id % 10 === 0 && !own.includes(-task.id)) {
            own.push(-task.id);
            await host.putBack(task);
          } else own.push(task.id);
        }
        return own;
      }),
    );
    expect(
      found
        .flat()
        .filter((id) => id > 0)
        .sort((a, b) => a - b),
    ).toEqual(ids);
  });

  test('more accounts than are remembered one by one share a turn; each still keeps its order', async () => {
    const others = Array.from({ length: 4200 }, (_, n) => queued({ id: n + 1, submitter: `account ${n}` }));
    await add(...others, queued({ id: 9001, submitter: 'late' }), queued({ id: 9002, submitter: 'late' }));
    const order = await take(4202);
    expect(new Set(order).size).toBe(4202);
    expect(order.indexOf(9001)).toBeLessThan(order.indexOf(9002));
  });

  test('after a loss of data no host goes on with the lanes it knew', async () => {
    await add(queued({ id: 1, platform: 'linux' }));
    expect(await take(1)).toEqual([1]);
    await server.redis.flushall();
    await add(queued({ id: 2, platform: 'windows' })); // as many new lanes as before
    expect(await take(1)).toEqual([2]);
  });

  test('a host that knows the lanes finds one that is new since', async () => {
    const other = new Lanes(await server.connect(), { ageing: 0, weights: new Map() });
    expect(await other.take(all)).toBeNull();
    await add(queued({ id: 1, tags: ['new'] }));
    expect(await other.take(all)).toMatchObject({ id: 1, lane: 'tags=new' });
    await other.tidy();
    expect(await other.depths()).toEqual([]);
    await add(queued({ id: 2, tags: ['new'] }));
    expect(await other.take(all)).toMatchObject({ id: 2 });
  });
});
