import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { until } from '../../test/support/until.js';
import { roundSeconds, startUptimeLog, uptimeLine } from './uptime.js';

const start = new Date('2026-05-04T12:00:00.700Z');
const tasks = { reported: 1, running: 2, total: 9, completed: 3, pending: 3 };
const node = (name: string, seconds: number | null, status: object | null = { tasks }) =>
  ({
    name,
    status,
    statusOn: seconds === null ? null : new Date(start.getTime() + seconds * 1000),
  }) as NodeRow;

test('a line has the start of the round, and the counters of the nodes that answered in it', () => {
  const nodes = [
    node('a', 0),
    node('b', -1),
    node('c', null),
    node('d', 5, {}),
    node('e', 29, { tasks, x: 1 }),
  ];
  const line = uptimeLine(start, nodes);
  expect(line.endsWith('}\n')).toBe(true);
  expect(JSON.parse(line)).toEqual({
    timestamp: start.getTime() / 1000 - 0.7,
    status: { a: tasks, e: tasks },
  });
  expect(uptimeLine(start, [])).toBe('{"timestamp":1777896000,"status":{}}\n');
});

test.each([
  [1, 30],
  [10, 30],
  [15, 30],
  [30, 60],
  [3600, 7200],
])('a node that is looked at every %d s is seen in each round of %d s', (interval, round) => {
  expect(roundSeconds(interval)).toBe(round);
});

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'uptime-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test('it is added to what the file has, and a round that is cut short leaves no line', async () => {
  const path = join(dir, 'uptime.log');
  const parts = { path, nodes: { list: async () => [] }, interval: 10, log: () => {} };
  const log = await startUptimeLog(parts);
  await log[Symbol.asyncDispose]();
  expect(await readFile(path, 'utf8')).toBe('');
});

test('without its folder it is refused at the start', async () => {
  const path = join(dir, 'nowhere', 'uptime.log');
  const parts = { path, nodes: { list: async () => [] }, interval: 10, log: () => {} };
  await expect(startUptimeLog(parts)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(path),
  });
});

test('what goes wrong is told once, and the log goes on when it can', async () => {
  const path = join(dir, 'log', 'uptime.log');
  await mkdir(join(dir, 'log'));
  const told: string[] = [];
  const tell = (level: string, message: string) => told.push(`${level}: ${message}`);
  let rounds = 0;
  const nodes = {
    list: async () => {
      rounds += 1;
      return [];
    },
  };
  await using log = await startUptimeLog({ path, nodes, interval: 10, log: tell, roundMs: 1 });
  await rename(join(dir, 'log'), join(dir, 'away'));
  await until(() => told.length > 0);
  const then = rounds;
  await until(() => rounds > then + 3);
  expect(told).toEqual([expect.stringContaining('ENOENT')]);
  await mkdir(join(dir, 'log'));
  await until(async () => (await readFile(path, 'utf8').catch(() => '')) !== '');
  await rename(join(dir, 'log'), join(dir, 'away-again'));
  await until(() => told.length > 1);
  await log[Symbol.asyncDispose]();
});
