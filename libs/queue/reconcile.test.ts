import { expect, test } from '@jest/globals';
import { jobPriority } from './queues.js';
import { judgeCompleted } from './reconcile.js';
import { startTime, workerId, workerIsGone } from './worker-id.js';

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
  expect(workerIsGone(workerId('here'))).toBe(false);
  expect(workerIsGone(workerId('here').replace(/\d+\/here$/, '1/here'))).toBe(true);
  expect(workerIsGone('another-host/1/1')).toBe(false);
  expect(startTime(2 ** 40)).toBeNull();
  expect(startTime(-1)).toBeNull();
});
