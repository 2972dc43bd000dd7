import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { created, listed, machines, readDate, status, version, viewed } from './cuckoo-shapes.js';

const task = { id: 3, status: 'reported', owner: 'dist:0f', started_on: null, errors: [] };
const viewOf = (part: object) => viewed.parse({ task: { ...task, ...part } });

describe('a task', () => {
  test('has the mark of its owner, or of the last word of custom', () => {
    expect(viewOf({}).mark).toBe('dist:0f');
    expect(viewOf({ owner: '', custom: 'case 7 dist:1e' }).mark).toBe('dist:1e');
    expect(viewOf({ owner: undefined, custom: 'dist:1e' }).mark).toBe('dist:1e');
    expect(viewOf({ owner: '', custom: 'dist:of-somebody dist:1e' }).mark).toBe('dist:1e');
  });

  test('whose owner is somebody has no mark in custom', () => {
    expect(viewOf({ custom: 'dist:1e' }).mark).toBe('dist:0f');
    expect(viewOf({ owner: 'mail-gateway', custom: 'dist:1e' }).mark).toBeNull();
  });

  test.each([null, undefined, '', 'mail-gateway', 'dist:', 'dist:a b', `dist:${'a'.repeat(60)}`])(
    'whose owner is %j carries no mark of ours',
    (owner) => {
      expect(viewOf({ owner, custom: null }).mark).toBeNull();
    },
  );

  test('began when the node says, in any of its ways; else it is not known', () => {
    const date = new Date(2012, 11, 19, 14, 18, 25);
    expect(viewOf({ started_on: '2012-12-19 14:18:25' }).startedOn).toEqual(date);
    expect(viewOf({ started_on: 'Wed, 19 Dec 2012 14:18:25 GMT' }).startedOn).toEqual(date);
    expect(viewOf({ started_on: '2012-12-19T14:18:25.123456' }).startedOn).toEqual(date);
    for (const odd of [
      null,
      undefined,
      7,
      {},
      '',
      'yesterday',
      '2012-13-19 14:18:25',
      '2012-02-30 00:00:00',
      'Wed, 19 Foo 2012 14:18:25 GMT',
    ])
      expect(viewOf({ started_on: odd }).startedOn).toBeNull();
  });

  test('has a reason that is bounded', () => {
    expect(viewOf({ errors: ['a', 'b'] }).reason).toBe('a; b');
    expect(viewOf({ errors: ['x'.repeat(1_000_000)] }).reason).toHaveLength(2000);
    for (const none of [[], null, undefined, 'text', [1], {}])
      expect(viewOf({ errors: none }).reason).toBeNull();
  });

  test.each([
    { id: 0 },
    { id: '3' },
    { id: 1.5 },
    { status: null },
    { status: 'x'.repeat(300) },
    { owner: 7 },
  ])('with %j is none', (part) => {
    expect(viewed.safeParse({ task: { ...task, ...part } }).success).toBe(false);
  });
});

describe('other answers', () => {
  test('what was created has one id, or several', () => {
    expect(created.parse({ task_id: 7 })).toEqual([7]);
    expect(created.parse({ task_id: 7, task_ids: [7] })).toEqual([7]);
    expect(created.parse({ task_ids: [7, 8] })).toEqual([7, 8]);
    for (const none of [
      { task_id: null },
      { task_ids: [] },
      { task_id: '7' },
      {},
      [],
      null,
      { task_ids: [null] },
    ])
      expect(created.safeParse(none).success).toBe(false);
  });

  test('machines are kept as they came, and read', () => {
    const raw = [
      { name: 'a', label: 'A', platform: 'windows', tags: ['x64', ''], ip: '10.0.0.1' },
      { name: 'b', platform: null },
    ];
    expect(machines.parse({ machines: raw })).toEqual({
      machines: [
        { name: 'a', label: 'A', platform: 'windows', arch: null, tags: ['x64'], reserved: false },
        { name: 'b', label: null, platform: '', arch: null, tags: [], reserved: false },
      ],
      raw,
    });
  });

  test('the status is kept as it came, and read', () => {
    const tasks = { reported: 1, running: 2, total: 10, completed: 3, pending: 4 };
    const raw = {
      version: '2.0.7',
      hostname: 'n',
      tasks,
      machines: { total: 2, available: 1 },
      cpuload: [0.5],
    };
    expect(status.parse(raw)).toEqual({ machines: { total: 2, available: 1 }, tasks, raw });
    expect(version.parse(raw)).toBe('2.0.7');
    expect(version.parse({})).toBe('');
    for (const odd of [
      {},
      { tasks },
      { ...raw, tasks: { ...tasks, pending: -1 } },
      { ...raw, machines: [] },
      'ok',
      null,
    ])
      expect(status.safeParse(odd).success).toBe(false);
  });
});

test('nothing a node answers makes reading it throw', () => {
  const near = fc.record(
    {
      task: fc.anything(),
      tasks: fc.anything(),
      machines: fc.anything(),
      task_id: fc.anything(),
      task_ids: fc.anything(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fc.anything(), near), fc.string(), (value, text) => {
      for (const shape of [created, listed, machines, status, version, viewed]) shape.safeParse(value);
      const date = readDate(text);
      expect(date === null || !Number.isNaN(date.getTime())).toBe(true);
    }),
  );
});
