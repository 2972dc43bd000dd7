import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { Lanes, type QueuedTask, type Taken } from '#queue/lane-queue.js';
import { laneOf, type Lane } from '#domain/lanes.js';
import { LaneModel, type ModelTask } from '../support/lane-model.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { queued } from '../support/task.js';

const AGEING_S = 60;
const WEIGHTS = new Map([
  ['heavy', 3],
  ['light', 0.5],
]);
const WANTS = [{}, { platform: 'linux' }, { platform: 'linux', tags: ['a|b', 'c'] }, { machine: 'm:1' }];
const LANES: readonly Lane[] = WANTS.map((wants) => laneOf(queued({ id: 0, ...wants })));
const IDS = 12;

/** Both sides: two hosts over connections of their own, and the rules. */
interface Real {
  readonly hosts: readonly [Lanes, Lanes];
  readonly taken: Map<number, [Taken, ModelTask]>;
}
type Command = fc.AsyncCommand<LaneModel, Real>;

let server: TestRedis;
let clock: number;
const command = (name: string, run: (model: LaneModel, real: Real) => Promise<void>): Command => ({
  check: () => true,
  run: async (model, real) => run(model, real),
  toString: () => name,
});

const id = fc.integer({ min: 1, max: IDS });
const host = fc.constantFrom(0, 1);
const task: fc.Arbitrary<QueuedTask> = fc
  .record({
    id,
    priority: fc.oneof(fc.integer({ min: -2, max: 2 }), fc.constantFrom(-99, 5000)),
    wants: fc.constantFrom(...WANTS),
    submitter: fc.constantFrom('heavy', 'light', 'a|b', null),
    owner: fc.constantFrom('ann', null),
    avoid: fc.subarray(['linux1', 'x,y|z']),
    age: fc.nat(100_000),
  })
  .map(({ wants, age, ...rest }) => queued({ ...rest, ...wants, addedOn: new Date(1_000_000 - age) }));

const commands = fc.commands(
  [
    fc.tuple(task, fc.boolean(), fc.constantFrom(0, 0, 500, 5000), host).map(([one, front, delayMs, by]) =>
      command(`add ${one.id} ${laneOf(one)} ${one.priority} ${delayMs}`, async (model, { hosts }) => {
        const added = await hosts[by].add(one, { at: front ? 'front' : 'back', delayMs });
        expect(added).toBe(model.add(one, front, delayMs === 0 ? 0 : clock + delayMs));
      }),
    ),
    fc.tuple(fc.subarray([...LANES]), host).map(([lanes, by]) =>
      command(`take ${lanes.join(' ')}`, async (model, { hosts, taken }) => {
        model.wake(clock);
        const best = model.best(lanes, clock);
        const found = await hosts[by].take((lane) => lanes.includes(lane));
        expect(found === null).toBe(best.length === 0);
        if (found === null) return;
        expect(best.map((one) => one.id)).toContain(found.id);
        const one = model.take(found.id);
        const waitedMs = Math.max(0, clock - one.added);
        expect(found).toMatchObject({ lane: one.lane, avoid: one.avoid, waitedMs });
        taken.set(found.id, [found, one]);
      }),
    ),
    fc.tuple(id, fc.constantFrom(0, 700), host).map(([which, delayMs, by]) =>
      command(`putBack ${which} ${delayMs}`, async (model, { hosts, taken }) => {
        const known = taken.get(which);
        if (known === undefined) return;
        await hosts[by].putBack(known[0], delayMs);
        model.putBack(known[1], delayMs === 0 ? 0 : clock + delayMs);
      }),
    ),
    fc.tuple(id, host).map(([which, by]) =>
      command(`remove ${which}`, async (model, { hosts }) => {
        expect(await hosts[by].remove(which)).toBe(model.remove(which));
      }),
    ),
    fc.tuple(id, host).map(([which, by]) =>
      command(`place ${which}`, async (model, { hosts }) => {
        expect(await hosts[by].place(which)).toEqual(model.place(which));
      }),
    ),
    fc.nat(100_000).map((ms) =>
      command(`time ${ms}`, async () => {
        clock += ms;
      }),
    ),
    host.map((by) => command('tidy', (_, { hosts }) => hosts[by].tidy())),
    host.map((by) => command('look', (model, { hosts }) => mustAgree(model, hosts[by]))),
    fc.constant(
      command('all is lost', async (model) => {
        await server.redis.flushall();
        model.clear();
      }),
    ),
  ],
  { maxCommands: 60 },
);

/** Nothing is lost, nothing is there twice. */
async function mustAgree(model: LaneModel, lanes: Lanes): Promise<void> {
  const ids = Array.from({ length: IDS }, (_, at) => at + 1);
  expect(await lanes.has(ids)).toEqual(ids.map((one) => model.tasks.has(one)));
  expect(await server.redis.hlen('malkoha:queued')).toBe(model.tasks.size);
  const depths = (await lanes.depths()).filter(({ waiting }) => waiting > 0);
  expect(new Map(depths.map(({ lane, waiting }) => [lane, waiting]))).toEqual(model.depths());
  for (const { lane, waiting } of depths) {
    const found = await lanes.tasksOf(lane, 99);
    expect(found).toHaveLength(waiting);
    expect(new Set(found.map(({ id }) => model.tasks.get(id)?.lane))).toEqual(new Set([lane]));
  }
}

// A block of its own: its end comes before the look for what was left behind.
describe('lanes', () => {
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    jest.spyOn(Date, 'now').mockImplementation(() => clock);
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  test('whatever is done in whatever order, Redis answers as the rules do, and keeps no key when all is empty', async () => {
    const ageing = { ageing: AGEING_S, weights: WEIGHTS };
    const other = await server.connect();
    await fc.assert(
      fc.asyncProperty(commands, async (all) => {
        clock = 1_000_000;
        await server.redis.flushall();
        const hosts = [new Lanes(server.redis, ageing), new Lanes(other, ageing)] as const;
        const model = new LaneModel(1000 * AGEING_S, WEIGHTS);
        await fc.asyncModelRun(() => ({ model, real: { hosts, taken: new Map() } }), all);

        await mustAgree(model, hosts[0]);
        clock += 1_000_000;
        for (let left = model.tasks.size; left > 0; left--) {
          const found = await hosts[left % 2 === 0 ? 0 : 1].take(() => true);
          expect(model.tasks.delete(found?.id ?? 0)).toBe(true);
        }
        expect(await hosts[0].take(() => true)).toBeNull();
        await hosts[1].tidy();
        const kept = ['malkoha:lanes:version'];
        expect((await server.redis.keys('*')).filter((key) => !kept.includes(key))).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });
});
