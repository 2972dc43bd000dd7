import { expect, test } from '@jest/globals';
import { diskError, isDiskError } from './disk-error.js';
import { ProtocolError } from './errors.js';

test.each([
  ['ENOSPC', 'NO_DISK_SPACE'],
  ['EDQUOT', 'NO_DISK_SPACE'],
  ['EIO', 'CAPTURE_FAILED'],
  ['EACCES', 'CAPTURE_FAILED'],
])('%s is %s', (errno, code) => {
  const cause = Object.assign(new Error(errno), { code: errno });
  const error = diskError('files/a cannot be written', cause);
  expect(error).toMatchObject({ code, message: 'files/a cannot be written', cause, retry: true });
  expect(isDiskError(error)).toBe(true);
});

test('what the guest did is no disk error', () => {
  expect(isDiskError(new ProtocolError('no such command', 0))).toBe(false);
  expect(isDiskError(new Error('ECONNRESET'))).toBe(false);
});
