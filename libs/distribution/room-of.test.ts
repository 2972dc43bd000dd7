import { expect, test } from '@jest/globals';
import type { MachineTraits } from '#domain/machine.js';
import { plainDate } from '#domain/plain-date.js';
import type { NodeRow } from './entities/node.entity.js';
import { roomOf, type Load, type NodeRoom } from './placement.js';
import type { Wants } from './shelves.js';
import { waitsFor } from './waits-for.js';

const now = new Date('2026-05-04T12:00:00Z');
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);
const settings = { backlog: 2, interval: 10 };
const idle: Load = { assigned: 0, sending: 0, processing: 0, fetching: 0 };

const win: MachineTraits = {
  name: 'win1',
  label: 'w1',
  platform: 'windows',
  arch: null,
  tags: ['office'],
  reserved: false,
};

function node(part: Partial<NodeRow> = {}): NodeRow {
  const row = {
    id: 1,
    name: 'a',
    enabled: true,
    mode: 'normal',
    seenOn: ago(5),
    failures: 0,
    retryOn: null,
    lastError: null,
    status: null,
    statusOn: null,
  };
  return { ...row, ...part } as NodeRow;
}

const says = (status: NodeRow['status'], seconds = 5) => node({ status, statusOn: ago(seconds) });
const look = (row: NodeRow, load: Partial<Load> = {}, machines: readonly MachineTraits[] = [win, win]) =>
  roomOf(row, machines, { ...idle, ...load }, settings, now);
const room = (...what: Parameters<typeof look>) => look(...what).room;
const free = (...what: Parameters<typeof look>) => look(...what).free;

test('a node has room for its backlog, at least two tasks if it has a machine, none without', () => {
  expect(room(node())).toBe(4);
  expect(roomOf(node(), [win], undefined, { ...settings, backlog: 1 }, now).room).toBe(2);
  expect(room(node(), {}, [])).toBe(0);
  expect(room(node(), { assigned: 1, sending: 1, processing: 1, fetching: 1 })).toBe(0);
  expect(room(node(), { processing: 9 })).toBe(0);
});

test('no task for a node that is disabled, never seen, or away; one whose pause is over gets some', () => {
  for (const part of [{ enabled: false }, { seenOn: null }, { retryOn: new Date(now.getTime() + 1) }]) {
    expect(look(node(part))).toMatchObject({ room: 0, shut: expect.any(String) });
  }
  expect(room(node({ retryOn: now }))).toBe(4);
});

test('a node of another mode has room, for tasks that name it', () => {
  expect(look(node())).toMatchObject({ room: 4, shut: null, kept: null });
  expect(look(node({ mode: 'night' }))).toMatchObject({ room: 4, shut: null, kept: 'its mode is "night"' });
});

test('what strangers gave the node takes room; what we gave it since its last word, too; an old word does not count', () => {
  const busy = { tasks: { pending: 2, running: 1 } };
  expect(room(says(busy))).toBe(1);
  expect(room(says(busy), { processing: 3 })).toBe(1);
  expect(room(says(busy), { assigned: 1, processing: 3 })).toBe(0);
  expect(room(says({ tasks: { pending: 500, running: 0 } }))).toBe(0);
  expect(room(says(busy, 30))).toBe(1);
  expect(room(says(busy, 31))).toBe(4);
});

test('whatever shape a status has, it makes neither more room nor none', () => {
  for (const tasks of [null, 7, [], { pending: -5 }, { pending: '9' }, { running: NaN }, { pending: 1e300 }])
    expect(room(says({ tasks }))).toBe(4);
});

test('machines that idle: those it says, less what is on its way; or those we gave nothing', () => {
  expect(free(says({ machines: { total: 2, available: 2 } }), { assigned: 1 })).toBe(1);
  expect(free(says({ machines: { total: 2, available: 70 } }))).toBe(2);
  expect(free(says({ machines: {} }), { processing: 1 })).toBe(1);
  expect(free(node(), { processing: 5, sending: 2 })).toBe(0);
});

const any: Wants = { machine: null, platform: null, arch: null, tags: [], pinned: false, nodeId: null };
const known = (part: Partial<NodeRow> = {}, rest: Partial<NodeRoom> = {}) => ({
  ...look(node(part), {}, [win]),
  ...rest,
});
const why = (task: Partial<Wants>, nodes: readonly NodeRoom[]) => waitsFor({ ...any, ...task }, nodes);

test('people are told what a task waits for', () => {
  expect(why({}, [])).toBe('No node is registered.');
  expect(why({ platform: 'linux' }, [known(), known({ id: 2, name: 'b' }, { machines: [] })])).toBe(
    'No node has a machine that runs linux. No machine is known yet of b.',
  );
  expect(why({ pinned: true, nodeId: 2 }, [known()])).toBe(
    'The node it was submitted for is not registered any more.',
  );
  expect(why({ pinned: true, nodeId: 1, platform: 'linux' }, [known(), known({ id: 2, name: 'b' })])).toBe(
    'The node it was submitted for, a, has no machine that runs linux.',
  );
  const away = { retryOn: new Date(now.getTime() + 5000), lastError: 'node b: connect ECONNREFUSED' };
  expect(why({}, [known({ enabled: false }), known({ id: 2, name: 'b', ...away })])).toBe(
    `No node with a machine for it can be given tasks: a (disabled), b (away since ${plainDate(ago(5))}: connect ECONNREFUSED).`,
  );
  const night = [known({ mode: 'night' })];
  expect(why({}, night)).toBe('No node with a machine for it can be given tasks: a (its mode is "night").');
  expect(why({ pinned: true, nodeId: 1 }, night)).toBe('It is handed out in its turn: a can be given tasks.');
  expect(why({ pinned: true, nodeId: 1 }, [known({ mode: 'night', enabled: false })])).toBe(
    'No node with a machine for it can be given tasks: a (disabled).',
  );
  const full = Array.from({ length: 7 }, (_, index) => known({ id: index, name: `n${index}` }, { room: 0 }));
  expect(why({}, full)).toBe('All nodes that could run it are full: n0, n1, n2, n3, n4, 2 more.');
  expect(why({}, [known()])).toBe('It is handed out in its turn: a can be given tasks.');
});
