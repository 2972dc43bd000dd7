import { expect, test } from '@jest/globals';
import { Makings } from './makings.js';
import type { OwnSaved } from './parts.js';

const SAVED: OwnSaved = {
  ...{ qemu: 'QEMU 7.2', hardware: 'h', snapshot: 'clean', kind: 'bytes', sources: [], files: {} },
  memory: { form: 'loadvm', snapshot: { bytes: 0, digest: '0'.repeat(64) } },
};

/** A making that the test ends, and how often one was begun. */
function making() {
  const begun: AbortSignal[] = [];
  const ends: { resolve: (saved: OwnSaved) => void; reject: (error: Error) => void }[] = [];
  const make = (signal: AbortSignal) =>
    new Promise<OwnSaved>((resolve, reject) => {
      begun.push(signal);
      ends.push({ resolve, reject });
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  return { make, begun, end: () => ends.at(-1) };
}

/** A signal as the pool's, whose time the test lets pass. */
function limited() {
  const controller = new AbortController();
  const expire = () => controller.abort(new DOMException('took longer than 1 ms', 'TimeoutError'));
  return { signal: controller.signal, expire, cancel: (why: Error) => controller.abort(why) };
}

test('who waits longer than they may is told that it goes on, and the next one gets it', async () => {
  await using makings = new Makings();
  const { make, begun, end } = making();
  const first = limited();
  const waited = makings.join('vm1', make, first.signal);
  first.expire();
  await expect(waited).rejects.toMatchObject({
    code: 'MACHINE_START_FAILED',
    message: expect.stringContaining('vm1: its template is being made'),
  });
  expect(begun.map(({ aborted }) => aborted)).toEqual([false]);

  const second = makings.join('vm1', make, limited().signal);
  end()?.resolve(SAVED);
  expect(await second).toBe(SAVED);
  expect(begun).toHaveLength(1);
});

test('a cancel is passed on as it is, and ends nothing either', async () => {
  await using makings = new Makings();
  const { make, begun } = making();
  const caller = limited();
  const waited = makings.join('vm1', make, caller.signal);
  const why = new Error('the pool is closing');
  caller.cancel(why);
  await expect(waited).rejects.toBe(why);
  expect(begun.map(({ aborted }) => aborted)).toEqual([false]);
});

test('what goes wrong while nobody waits is told once; then it is tried again', async () => {
  await using makings = new Makings();
  const { make, begun, end } = making();
  const first = limited();
  const waited = makings.join('vm1', make, first.signal);
  first.expire();
  await expect(waited).rejects.toMatchObject({ code: 'MACHINE_START_FAILED' });
  const why = new Error('the disk is full');
  end()?.reject(why);
  await expect(makings.join('vm1', make, limited().signal)).rejects.toBe(why);
  expect(begun).toHaveLength(1);

  const again = makings.join('vm1', make, limited().signal);
  end()?.resolve(SAVED);
  expect(await again).toBe(SAVED);
  expect(begun).toHaveLength(2);
});

test('disposing of it ends what is being made, and begins no more', async () => {
  const makings = new Makings();
  const { make, begun } = making();
  const waited = makings.join('vm1', make, limited().signal);
  const refused = expect(waited).rejects.toThrow('the machinery is closing');
  await makings[Symbol.asyncDispose]();
  await refused;
  expect(begun.map(({ aborted }) => aborted)).toEqual([true]);
  await expect(makings.join('vm2', make, limited().signal)).rejects.toThrow('the machinery is closing');
});
