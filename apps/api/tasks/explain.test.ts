import { describe, expect, test } from '@jest/globals';
import { estimateStart, explain, usableOf, type Candidate, type Facts } from './explain.js';

const LAB = { name: 'lab', paused: null };

const candidate = (name: string, changes: Partial<Candidate> = {}): Candidate => ({
  ...{ name, state: 'leased', reason: null, nextTest: null, worker: LAB },
  ...changes,
});

/** A pending task, first in its lane, whose machines are all in use; `changes` say what matters to the test. */
const facts = (changes: Partial<Facts> = {}): Facts => ({
  ...{ status: 'pending', outcome: null, attempts: 0, maxAttempts: 3, lastError: null, machine: null },
  alive: 4,
  candidates: [candidate('g1'), candidate('g2')],
  patience: 0,
  disk: null,
  place: { state: 'waiting', ahead: 0 },
  runSeconds: 60,
  ...changes,
});

const out = (state: 'disabled' | 'quarantined') =>
  candidate('g1', {
    state,
    reason: state === 'quarantined' ? 'it did not start' : null,
    nextTest: state === 'quarantined' ? new Date('2026-03-02T09:00:00Z') : null,
  });
const paused = candidate('g2', { worker: { name: 'lab', paused: '10 MB are free on its disk' } });
const orphan = candidate('g3', { state: 'disabled', worker: null });

describe('why a task is where it is', () => {
  test.each<[string, Partial<Facts>, string]>([
    ['running', { status: 'running', place: null }, 'runs on a machine'],
    ['processing', { status: 'completed', place: null }, 'report'],
    ['ended', { status: 'reported', outcome: 'completed', place: null }, 'It has ended: it is reported.'],
    [
      'ended',
      {
        status: 'failed_analysis',
        outcome: 'vm_start_failed',
        attempts: 3,
        lastError: 'no luck',
        place: null,
      },
      'It has ended after 3 attempts: it is failed_analysis (vm_start_failed): no luck',
    ],
    ['queue_unavailable', { place: null }, 'Redis does not answer'],
    ['no_machine', { alive: 0, candidates: [] }, 'no worker is running'],
    ['no_matching_machine', { candidates: [] }, 'or tags it asks for: it fails within seconds'],
    [
      'no_matching_machine',
      { candidates: [], patience: 60 },
      'unless one is there 60 s after it was submitted',
    ],
    ['no_worker', { candidates: [orphan] }, 'has ended: g3.'],
    ['disk_full', { disk: 'Only 3 MB are free' }, 'Only 3 MB'],
    ['not_queued', { place: { state: 'none' } }, 'Its place in the queue was lost'],
    ['retrying', { place: { state: 'delayed' } }, 'It could not begin'],
    [
      'retrying',
      { place: { state: 'delayed' }, attempts: 1, lastError: 'g1 did not start' },
      'Attempt 2 of 3 follows in a few seconds. The last one failed: g1 did not start',
    ],
    ['machines_disabled', { candidates: [out('disabled'), orphan] }, 'can be used: g1 is disabled.'],
    [
      'machines_quarantined',
      { candidates: [out('quarantined'), candidate('g2', { state: 'disabled' })] },
      'g1 is quarantined (it did not start, tested again at 2026-03-02T09:00:00.000Z); g2 is disabled.',
    ],
    ['workers_paused', { candidates: [paused, out('quarantined')] }, 'lab: 10 MB are free on its disk.'],
  ])('%s %j', (reason, changes, sentence) => {
    const { message, ...rest } = explain(facts(changes));
    expect(rest).toEqual({ reason, ahead: null, estimate: null });
    expect(message).toContain(sentence);
  });

  test('one machine that works, of a worker that works, is enough to wait for it', () => {
    const candidates = [out('quarantined'), paused, orphan, candidate('g4')];
    expect(explain(facts({ candidates }))).toMatchObject({ reason: 'waiting_for_machine' });
  });

  test('of many machines some are named', () => {
    const candidates = Array.from({ length: 8 }, (_, at) => candidate(`g${at}`, { state: 'disabled' }));
    expect(explain(facts({ candidates })).message).toMatch(/g4 is disabled; and 3 more\.$/);
  });

  test('others come first', () => {
    expect(explain(facts({ place: { state: 'waiting', ahead: 3 } }))).toEqual({
      reason: 'ahead_in_lane',
      message: '3 tasks are ahead of it in its lane.',
      ahead: 3,
      estimate: { start_in_seconds: 120 },
    });
  });

  test.each([
    ['leased', 'every machine that fits is in use'],
    ['restoring', 'a machine is being made ready'],
    ['ready', 'a machine is free for it'],
  ] as const)('it is the next, and its machine is %s', (state, sentence) => {
    const explained = explain(facts({ candidates: [candidate('g1', { state })] }));
    expect(explained).toMatchObject({ reason: 'waiting_for_machine', ahead: 0 });
    expect(explained.message).toContain(sentence);
  });

  test('it runs on a machine that is named', () => {
    expect(explain(facts({ status: 'running', machine: 'guest1' })).message).toBe('It runs on guest1.');
  });
});

test('machines without a worker are no machines to wait for', () => {
  expect(usableOf([orphan, candidate('g1', { state: 'free' }), candidate('g2')])).toEqual({
    matching: 2,
    free: 1,
  });
});

test('a start is estimated from what the last analyses took', () => {
  expect(estimateStart(0, { matching: 2, free: 1 }, null)).toEqual({ start_in_seconds: 0 });
  expect(estimateStart(0, { matching: 2, free: 0 }, null)).toBeNull();
  expect(estimateStart(0, { matching: 1, free: 0 }, 60)).toEqual({ start_in_seconds: 60 });
  expect(estimateStart(5, { matching: 4, free: 2 }, 60)).toEqual({ start_in_seconds: 60 });
  expect(estimateStart(9, { matching: 4, free: 0 }, 10.1)).toEqual({ start_in_seconds: 26 });
});
