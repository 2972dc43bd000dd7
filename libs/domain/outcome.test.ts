import { expect, test } from '@jest/globals';
import type { ErrorCode } from './errors.js';
import { outcomeOf } from './outcome.js';

test.each<[ErrorCode, string]>([
  ['MACHINE_START_FAILED', 'vm_start_failed'],
  ['MACHINE_STOP_FAILED', 'vm_stop_failed'],
  ['ROUTE_UNAVAILABLE', 'route_unavailable'],
  ['ROOTER_AWAY', 'route_unavailable'],
  ['ROUTE_FAILED', 'route_unavailable'],
  ['GUEST_LOST', 'guest_lost'],
])('a run that failed with %s ended %s', (code, outcome) => {
  expect(outcomeOf(code)).toBe(outcome);
});
