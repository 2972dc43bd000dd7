import { describe, expect, test } from '@jest/globals';
import { estimateStart, explain, type Facts } from './explain.js';

/** A pending task, first in its lane, whose machines are all in use; `changes` say what matters to the test. */
const facts = (changes: Partial<Facts> = {}): Facts => ({
  status: 'pending',
  machine: null,
  machines: { alive: 4, matching: 2, free: 0 },
  disk: null,
  place: { state: 'waiting', ahead: 0 },
  runSeconds: 60,
  ...changes,
});

describe('why a task is where it is', () => {
  test.each<[string, Partial<Facts>]>([
    ['running', { status: 'running', place: null }],
    ['processing', { status: 'completed', place: null }],
    ['ended', { status: 'reported', place: null }],
    ['ended', { status: 'failed_analysis', place: null }],
    ['queue_unavailable', { place: null }],
    ['no_machine', { machines: { alive: 0, matching: 0, free: 0 } }],
    ['no_matching_machine', { machines: { alive: 3, matching: 0, free: 0 } }],
    ['disk_full', { disk: 'Only 3 MB are free' }],
    ['not_queued', { place: { state: 'none' } }],
    ['retrying', { place: { state: 'delayed' } }],
  ])('%s: no place in a lane, and no estimate', (reason, changes) => {
    const { message, ...rest } = explain(facts(changes));
    expect(rest).toEqual({ reason, ahead: null, estimate: null });
    expect(message).toMatch(/\w/);
  });

  test('others come first', () => {
    expect(explain(facts({ place: { state: 'waiting', ahead: 3 } }))).toEqual({
      reason: 'ahead_in_lane',
      message: '3 tasks are ahead of it in its lane.',
      ahead: 3,
      estimate: { start_in_seconds: 120 },
    });
  });

  test('it is the next', () => {
    expect(explain(facts())).toMatchObject({ reason: 'waiting_for_machine', ahead: 0 });
  });

  test('it runs on a machine that is named', () => {
    expect(explain(facts({ status: 'running', machine: 'guest1' })).message).toBe('It runs on guest1.');
  });
});

test('a start is estimated from what the last analyses took', () => {
  expect(estimateStart(0, { matching: 2, free: 1 }, null)).toEqual({ start_in_seconds: 0 });
  expect(estimateStart(0, { matching: 2, free: 0 }, null)).toBeNull();
  expect(estimateStart(0, { matching: 1, free: 0 }, 60)).toEqual({ start_in_seconds: 60 });
  expect(estimateStart(5, { matching: 4, free: 2 }, 60)).toEqual({ start_in_seconds: 60 });
  expect(estimateStart(9, { matching: 4, free: 0 }, 10.1)).toEqual({ start_in_seconds: 26 });
});
