import { expect, test } from '@jest/globals';
import { taskCounters } from '../status/task-counters.js';
import { readSample } from './sample.js';

test('load is told in percent of all processors, of the last minute', () => {
  const status = {
    machines: { total: 4, available: 1 },
    cpuload: [1.5, 9, 9],
    cpu_count: 2,
    memory: 41.9,
    diskspace: { analyses: { free: 1, total: 10, used: 9 } },
    processes: { cuckoo: 1, p1: 2 },
  };
  expect(readSample(status)).toEqual({
    machines: 4,
    running: 3,
    cpu: 75,
    memory: 41,
    disks: { analyses: { total: 10, used: 9 } },
    processes: ['cuckoo', 'p1'],
  });
});

const NOTHING = { machines: null, running: null, cpu: null, memory: null, disks: {}, processes: [] };

test('what a node says otherwise than it should is as if it had not said it', () => {
  for (const odd of [null, 7, 'x', [], {}, { total: -1, available: NaN, used: '9' }, [null], [Infinity]])
    expect(
      readSample({
        machines: odd,
        cpuload: typeof odd === 'number' ? {} : odd,
        cpu_count: 0,
        memory: typeof odd === 'number' ? -odd : odd,
        diskspace: { a: odd },
        processes: [],
      }),
    ).toEqual(NOTHING);
  for (const none of [null, undefined, 7, 'x', []]) expect(readSample(none)).toBeNull();
  expect(readSample({ cpuload: [], cpu_count: 2, diskspace: [1, 2] })).toEqual(NOTHING);
});

test('names without end, and those that are keys of every object, do no harm', () => {
  const many = Object.fromEntries(
    Array.from({ length: 65 }, (_, index) => [`d${index}`, { total: 1, used: 1 }]),
  );
  expect(readSample({ diskspace: many, processes: { ['x'.repeat(65)]: 1 } })).toEqual(NOTHING);
  const proto: unknown = JSON.parse('{"diskspace": {"__proto__": {"total": 2, "used": 1}, "toString": 1}}');
  expect(Object.keys(readSample(proto)?.disks ?? {}).filter((disk) => disk !== '__proto__')).toEqual([]);
});

test('counters that are missing or odd are 0, and an answer without any is no status', () => {
  const tasks = { reported: 3, running: -1, total: '9', pending: 2.5 };
  expect(taskCounters({ tasks })).toEqual({ reported: 3, running: 0, total: 0, completed: 0, pending: 0 });
  for (const none of [null, {}, { tasks: null }, { tasks: 7 }]) expect(taskCounters(none)).toBeNull();
});
