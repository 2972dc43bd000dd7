import { expect, test } from '@jest/globals';
import { diskError, isDiskError, withinRoom } from './disk-error.js';
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

test('work that finds no room says so, other errors stay as they are', async () => {
  const failing = (code: string) => async () => Promise.reject(Object.assign(new Error('full'), { code }));
  const told = {
    code: 'NO_DISK_SPACE',
    message: 'The disk is full; a is not stored',
    cause: { code: 'EDQUOT' },
  };
  await expect(withinRoom('a is not stored', failing('EDQUOT'))).rejects.toMatchObject(told);
  await expect(withinRoom('a is not stored', failing('EIO'))).rejects.toMatchObject({ code: 'EIO' });
  expect(await withinRoom('a is not stored', async () => 7)).toBe(7);
});
