import { expect, test } from '@jest/globals';
import { jobPriority } from './queues.js';
import {
  judgeCompleted,
  judgePending,
  judgeRunning,
  LEASE_MS,
  MAX_ATTEMPTS,
  type Lease,
} from './reconcile.js';
import { startTime, workerId, workerIsGone } from './worker-id.js';

const now = new Date('2024-01-01T00:00:00Z');
const lease: Lease = {
  id: 1,
  priority: 1,
  machine: null,
  platform: null,
  arch: null,
  tags: [],
  worker: 'host/1/2',
  heartbeatOn: now,
  attempt: 1,
  epoch: 1,
};
const alive = () => false;
const gone = () => true;

test('a running task stays with a worker that gives signs of life', () => {
  expect(judgeRunning(lease, now, alive)).toBe('keep');
  expect(judgeRunning({ ...lease, heartbeatOn: new Date(now.getTime() - LEASE_MS) }, now, alive)).toBe(
    'keep',
  );
});

test('a running task is taken back when its worker is silent, known to be gone, or nobody', () => {
  expect(judgeRunning({ ...lease, heartbeatOn: new Date(now.getTime() - LEASE_MS - 1) }, now, alive)).toBe(
    'again',
  );
  expect(judgeRunning(lease, now, gone)).toBe('again');
  expect(judgeRunning({ ...lease, worker: null }, now, alive)).toBe('again');
  expect(judgeRunning({ ...lease, heartbeatOn: null }, now, alive)).toBe('again');
});

test('a task that lost its worker too often fails', () => {
  expect(judgeRunning({ ...lease, attempt: MAX_ATTEMPTS }, now, gone)).toBe('fail');
  expect(judgePending({ attempt: MAX_ATTEMPTS }, 'none')).toBe('fail');
  expect(judgePending({ attempt: MAX_ATTEMPTS }, 'present')).toBe('keep');
});

test('a pending task without a job gets one', () => {
  expect(judgePending({ attempt: 0 }, 'none')).toBe('again');
  expect(judgePending({ attempt: 0 }, 'failed')).toBe('again');
  expect(judgePending({ attempt: 0 }, 'present')).toBe('keep');
});

test('a completed task is processed unless its job failed for good', () => {
  expect(judgeCompleted('none')).toBe('again');
  expect(judgeCompleted('present')).toBe('keep');
  expect(judgeCompleted('failed')).toBe('fail');
});

test('larger priorities come first, and every integer is a priority BullMQ takes', () => {
  expect(jobPriority(3)).toBeLessThan(jobPriority(1));
  for (const priority of [-(2 ** 53), -1, 0, 1, 999, 2 ** 53]) {
    expect(jobPriority(priority)).toBeGreaterThanOrEqual(1);
    expect(jobPriority(priority)).toBeLessThanOrEqual(2_097_151);
  }
});

test('this process is alive, one with its pid but another start is gone, other hosts are not judged', () => {
  expect(workerIsGone(workerId())).toBe(false);
  expect(workerIsGone(workerId().replace(/\d+$/, '1'))).toBe(true);
  expect(workerIsGone('another-host/1/1')).toBe(false);
  expect(startTime(2 ** 40)).toBeNull();
  expect(startTime(-1)).toBeNull();
});
