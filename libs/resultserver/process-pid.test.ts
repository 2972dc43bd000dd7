import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { PROCESS_752 } from '../../test/support/bson.js';
import { processPid, readProcessPid } from './process-pid.js';

test('the process id is in the __process__ call', () => {
  expect(PROCESS_752.length).toBe(301 + 142);
  expect(processPid(PROCESS_752)).toBe(752);
});

test('it is not known before the call is whole', () => {
  expect(processPid(PROCESS_752.subarray(0, 301))).toBeNull();
  expect(processPid(PROCESS_752.subarray(0, -1))).toBeNull();
});

test('bytes that trickle in are all given back', async () => {
  let at = 0;
  const read = async () => (at < PROCESS_752.length ? PROCESS_752.subarray(at, (at += 1)) : null);
  const { pid, start } = await readProcessPid(read);
  expect(pid).toBe(752);
  expect(start.equals(PROCESS_752.subarray(0, start.length))).toBe(true);
});

test('what never names a process is given up after 64 KiB', async () => {
  let reads = 0;
  const read = async () => {
    reads += 1;
    return Buffer.alloc(16_384, 5);
  };
  expect((await readProcessPid(read)).pid).toBeNull();
  expect(reads).toBe(4);
});

test('no bytes make it throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void processPid(Buffer.from(bytes))));
  const mutated = fc.tuple(fc.nat(PROCESS_752.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(mutated, { minLength: 1, maxLength: 8 }), (changes) => {
      const log = Buffer.from(PROCESS_752);
      for (const [at, byte] of changes) log[at] = byte;
      const pid = processPid(log);
      expect(pid === null || (Number.isSafeInteger(pid) && pid > 0)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
