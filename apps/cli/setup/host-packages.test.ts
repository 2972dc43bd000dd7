import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ensurePackages, isInstalled } from './host-packages.js';

const path = process.env['PATH'];
beforeEach(() => {
  process.env['PATH'] = '/nonexistent';
});
afterEach(() => {
  process.env['PATH'] = path;
});

test('what may not be installed is said with why, and the one command to run', async () => {
  const lines: string[] = [];
  const packages = [
    { apt: 'dinosaur', program: 'dinosaur-no-one-has', why: 'the test' },
    { apt: 'dinosaur', program: 'another-no-one-has', why: 'the test' },
  ];
  await expect(ensurePackages(packages, (line) => lines.push(line))).rejects.toMatchObject({
    code: 'SETUP_MISSING',
    message: expect.stringMatching(/apt-get update && apt-get install -y --no-install-recommends dinosaur$/),
  });
  expect(lines.join('\n')).toMatch(/dinosaur +the test/);
});

test('nothing is said when nothing is missing; administrators’ folders count', async () => {
  const lines: string[] = [];
  await ensurePackages([{ apt: 'passwd', program: 'useradd', why: 'the test' }], (line) => lines.push(line));
  expect(lines).toEqual([]);
  expect(isInstalled('no-such-program')).toBe(false);
});
