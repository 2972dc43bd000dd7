import { expect, test } from '@jest/globals';
import { submissionFields } from './submission.js';

test('options become the form fields of the same name, switches true', () => {
  expect(
    submissionFields({
      package: 'sh',
      timeout: '30',
      priority: '-2',
      options: 'free=yes,arguments=-x',
      memory: true,
      'enforce-timeout': true,
    }),
  ).toEqual({
    package: 'sh',
    timeout: '30',
    priority: '-2',
    options: 'free=yes,arguments=-x',
    memory: 'true',
    enforce_timeout: 'true',
  });
});

test('the clock is taken in either order and sent in the order of the API', () => {
  for (const clock of ['2026-12-24 18:00:00', '2026-12-24T18:00:00', '12-24-2026 18:00:00'])
    expect(submissionFields({ clock })).toEqual({ clock: '12-24-2026 18:00:00' });
});

test.each([
  [{ clock: '2026-02-30 00:00:00' }, '--clock'],
  [{ clock: '2026-12-24 24:00:00' }, '--clock'],
  [{ clock: 'tomorrow' }, '--clock'],
  [{ options: 'free=yes,nonsense' }, '"nonsense"'],
  [{ timeout: '0' }, '--timeout'],
  [{ priority: '1.5' }, '--priority'],
])('%j, which the API would drop or refuse, is wrong usage', (values, named) => {
  expect(() => submissionFields(values)).toThrow(
    expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(named) }),
  );
});
