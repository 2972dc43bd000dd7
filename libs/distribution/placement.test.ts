import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { laneOf } from '#domain/lanes.js';
import { serves, type MachineTraits, type Requirements } from '#domain/machine.js';
import type { DistTaskRow } from './entities/dist-task.entity.js';
import type { NodeRow } from './entities/node.entity.js';
import { place, roomOf } from './placement.js';
import type { Capacity } from './shelves.js';

const traits = fc.record<MachineTraits>({
  name: fc.constantFrom('m1', 'm2', 'm3'),
  label: fc.constantFrom('m1', 'l2', null),
  platform: fc.constantFrom('windows', 'linux'),
  arch: fc.constantFrom('x64', 'x86', null),
  tags: fc.subarray(['office', 'acrobat', 'vpn']),
  reserved: fc.boolean(),
});
const nodes = fc
  .array(
    fc.record({
      room: fc.integer({ min: 0, max: 4 }),
      free: fc.nat(4),
      machines: fc.array(traits, { maxLength: 3 }),
      kept: fc.constantFrom(null, null, 'its mode is "night"'),
    }),
    { maxLength: 6 },
  )
  .map((list): Capacity[] => list.map((node, index) => ({ id: index + 1, ...node })));

const asks = fc.record<Requirements>({
  machine: fc.option(fc.constantFrom('m1', 'l2', 'nowhere'), { freq: 4 }),
  platform: fc.option(fc.constantFrom('windows', 'linux', 'darwin')),
  arch: fc.option(fc.constantFrom('x64', 'x86', 'arm64'), { freq: 1 }),
  tags: fc.subarray(['office', 'acrobat', 'vpn']),
});
const tasks = fc
  .array(fc.record({ asks, rank: fc.nat(5), pin: fc.option(fc.integer({ min: 1, max: 7 }), { freq: 1 }) }), {
    maxLength: 20,
  })
  .map((list) => list.map((one, index) => task(index + 1, one.asks, { rank: one.rank, nodeId: one.pin })));

function task(
  id: number,
  asked: Partial<Requirements>,
  { rank = 0, nodeId = null }: { rank?: number; nodeId?: number | null } = {},
): DistTaskRow {
  const wants = { machine: null, platform: null, arch: null, tags: [], ...asked };
  const pinned = nodeId !== null;
  const lane = pinned ? `${laneOf(wants)};node=${nodeId}` : laneOf(wants);
  return { id, rank, pinned, nodeId, lane, avoid: [], ...wants } as unknown as DistTaskRow;
}

function machine(part: Partial<MachineTraits> = {}): MachineTraits {
  return {
    name: 'm1',
    label: null,
    platform: 'windows',
    arch: null,
    tags: [],
    reserved: false,
    ...part,
  };
}

const canRun = (node: Capacity, one: DistTaskRow) =>
  (one.pinned ? one.nodeId === node.id : (node.kept ?? null) === null) &&
  node.machines.some((each) => serves(each, one));

test('nothing goes onto a node that does not serve it, nor beyond its room, nor twice; no task waits while one has room', () => {
  fc.assert(
    fc.property(nodes, tasks, (all, heads) => {
      const placed = place(all, heads);
      const given = (id: number) => placed.filter(({ nodeId }) => nodeId === id).length;
      expect(new Set(placed.map(({ task: { id } }) => id)).size).toBe(placed.length);
      for (const { task: one, nodeId } of placed) {
        const node = all.find(({ id }) => id === nodeId);
        expect(node && canRun(node, one)).toBe(true);
      }
      for (const node of all) expect(given(node.id)).toBeLessThanOrEqual(node.room);
      const left = heads.filter((one) => !placed.some(({ task: { id } }) => id === one.id));
      for (const one of left)
        for (const node of all.filter((each) => canRun(each, one))) expect(given(node.id)).toBe(node.room);
    }),
  );
});

test('each task, by rank and then id, gets the best node that is left, whatever order they came in', () => {
  fc.assert(
    fc.property(nodes, tasks, (all, heads) => {
      const left = all.map((node) => ({ ...node }));
      const expected = heads
        .toSorted((a, b) => a.rank - b.rank || a.id - b.id)
        .flatMap((one) => {
          const [best] = left
            .filter((node) => node.room > 0 && canRun(node, one))
            .sort(
              (a, b) =>
                b.free / b.machines.length - a.free / a.machines.length || b.room - a.room || a.id - b.id,
            );
          if (best === undefined) return [];
          best.room -= 1;
          best.free = Math.max(0, best.free - 1);
          return [[one.id, best.id]];
        });
      const got = (order: DistTaskRow[]) => place(all, order).map(({ task: { id }, nodeId }) => [id, nodeId]);
      expect(got(heads)).toEqual(expected);
      expect(got(heads.toReversed())).toEqual(expected);
    }),
  );
});

test('the emptiest node first, by its size: nodes fill evenly', () => {
  const small: Capacity = { id: 1, room: 4, free: 2, machines: [machine(), machine()] };
  const large: Capacity = {
    id: 2,
    room: 8,
    free: 4,
    machines: Array.from({ length: 4 }, () => machine()),
  };
  const heads = Array.from({ length: 6 }, (_, index) => task(index + 1, {}));
  expect(place([small, large], heads).map(({ nodeId }) => nodeId)).toEqual([2, 1, 2, 2, 1, 2]);
});

test('a node that refused or lost a task is given it again only when no other can have it', () => {
  const node = (id: number, part: Partial<Capacity> = {}): Capacity => ({
    ...{ id, room: 2, free: 2, machines: [machine()] },
    ...part,
  });
  const burnt = Object.assign(task(1, {}), { avoid: [1] });
  const go = (...nodes: readonly Capacity[]) =>
    place(nodes, [burnt, task(2, {})]).map((one) => [one.task.id, one.nodeId]);
  expect(go(node(1), node(2))).toEqual([[1, 2], [2, 1]]); // prettier-ignore
  expect(go(node(1), node(2, { room: 0 }))).toEqual([[2, 1]]);
  expect(go(node(1), node(2, { room: 0, shut: 'away' }))).toEqual([[1, 1], [2, 1]]); // prettier-ignore
  expect(go(node(1), node(2, { kept: 'its mode' }))).toEqual([[1, 1], [2, 1]]); // prettier-ignore
  expect(go(node(1), node(2, { machines: [machine({ reserved: true })] }))).toEqual([[1, 1], [2, 1]]); // prettier-ignore
});

test('one node of mode normal that says nothing waits there is given the one task that waits', () => {
  const row = { id: 1, name: 'node0', enabled: true, mode: 'normal', seenOn: new Date(), retryOn: null };
  const node = { ...row, lastError: null, status: { tasks: { pending: 0 } }, statusOn: new Date() };
  const room = roomOf(
    node as unknown as NodeRow,
    [machine()],
    undefined,
    { backlog: 2, interval: 10 },
    new Date(),
  );
  expect(place([room], [task(1, {})])).toMatchObject([{ task: { id: 1 }, nodeId: 1 }]);
});

test('a task that fits nowhere holds up none of another lane', () => {
  const node: Capacity = { id: 1, room: 1, free: 1, machines: [machine({ platform: 'linux' })] };
  const heads = [task(1, { platform: 'windows' }), task(2, { platform: 'linux' }, { rank: 9 })];
  expect(place([node], heads).map(({ task: { id } }) => id)).toEqual([2]);
});

test('a thousand nodes and ten thousand tasks, all different: no task waits that could go', () => {
  const many = Array.from({ length: 1000 }, (_, index): Capacity => {
    const machines = [machine({ tags: [`t${index % 50}`] }), machine({ name: 'm2', platform: 'linux' })];
    return { id: index + 1, room: 4, free: index % 3, machines };
  });
  const heads = Array.from({ length: 10_000 }, (_, index) =>
    task(index, index % 2 === 0 ? { tags: [`t${index % 50}`] } : { platform: 'linux', tags: [`x${index}`] }),
  );
  const placed = place(many, heads);
  expect(placed).toHaveLength(2000);
});
