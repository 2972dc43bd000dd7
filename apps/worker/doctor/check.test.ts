import { expect, test } from '@jest/globals';
import type { Finding } from '../../finding.js';
import { fail, ok, warn } from '../../verdict.js';
import { examine, type Check } from './check.js';

async function found(checks: readonly Check[], signal = new AbortController().signal): Promise<Finding[]> {
  const all: Finding[] = [];
  for await (const finding of examine(checks, signal)) all.push(finding);
  return all;
}

test('findings have the name and the machine of their check, or their own', async () => {
  const checks: Check[] = [
    { name: 'one', run: () => ok('fine') },
    {
      name: 'two',
      machine: 'win7',
      run: async () => [warn('so', 'mend'), { ...ok('fine'), check: 'three' }],
    },
  ];
  expect(await found(checks)).toEqual([
    { check: 'one', status: 'ok', found: 'fine', fix: null },
    { check: 'two', machine: 'win7', status: 'warn', found: 'so', fix: 'mend' },
    { check: 'three', machine: 'win7', status: 'ok', found: 'fine', fix: null },
  ]);
});

test('a check that throws, at once or later, is told and breaks none after it', async () => {
  const checks: Check[] = [
    {
      name: 'now',
      run: () => {
        throw new Error('oh');
      },
    },
    { name: 'later', run: () => Promise.reject(new Error('dear')) },
    { name: 'after', run: () => fail('bad', 'mend') },
  ];
  expect(await found(checks)).toMatchObject([
    { check: 'now', status: 'fail', found: 'the check itself failed: oh' },
    { check: 'later', status: 'fail', found: 'the check itself failed: dear' },
    { check: 'after', status: 'fail', found: 'bad' },
  ]);
});

test('a check that hangs, and does not even heed its signal, is told after its time', async () => {
  const checks: Check[] = [
    { name: 'hangs', ms: 30, run: () => new Promise<never>(() => {}) },
    { name: 'after', run: () => ok('fine') },
  ];
  expect(await found(checks)).toMatchObject([
    { check: 'hangs', status: 'fail', found: expect.stringContaining('within 0.03 s') },
    { check: 'after', status: 'ok' },
  ]);
});

test('what a check must undo is waited for when its time is over', async () => {
  const undone: string[] = [];
  const slow = async (signal: AbortSignal) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await new Promise((resolve) => setTimeout(resolve, 30));
    undone.push('stopped');
    return ok('late');
  };
  expect(await found([{ name: 'slow', ms: 20, graceMs: 5_000, run: slow }])).toMatchObject([
    { status: 'fail' },
  ]);
  expect(undone).toEqual(['stopped']);
});

test('whoever stops waiting ends the list', async () => {
  const controller = new AbortController();
  const checks: Check[] = [
    {
      name: 'stopped',
      run: () => {
        controller.abort(new Error('enough'));
        return new Promise<never>(() => {});
      },
    },
    { name: 'after', run: () => ok('fine') },
  ];
  await expect(found(checks, controller.signal)).rejects.toThrow('enough');
});
