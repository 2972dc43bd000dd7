import { createServer } from 'node:http';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { z } from 'zod';
import { makeHome, malkoha, pidOf, processesOf, SAMPLES, start, type Home } from '../support/malkoha.js';

/** Each: one clear sentence with the remedy, the task in a true state, nothing left, and the next run works. */
jest.setTimeout(180_000);

const result = z.object({
  task_id: z.int(),
  status: z.string(),
  score: z.number().nullable(),
  error: z.string().optional(),
});
const spin = join(SAMPLES, 'spin.sh');
const noop = join(SAMPLES, 'noop.sh');

beforeAll(async () => {
  await using home = await makeHome();
  expect(await malkoha(home, 'guest', 'build')).toMatchObject({ code: 0 });
}, 600_000);

describe('wrong usage is exit 2 and one sentence that names the argument', () => {
  test.each([
    ['a missing file', ['/no/such/file'], /cannot read \/no\/such\/file/],
    ['a device', ['/dev/null'], /not a regular file/],
    ['no target', [], /name at least one file/],
    ['an unknown option', ['--fast', 'x'], /--fast/],
    ['a wrong time-out', ['--timeout', 'soon', noop], /--timeout takes a whole number from 1/],
  ])('%s', async (_what, args, sentence) => {
    await using home = await makeHome();
    const { code, stderr, stdout } = await malkoha(home, 'analyze', ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(sentence);
  });

  test('an empty file and a folder of nothing', async () => {
    await using home = await makeHome();
    const empty = join(home.dir, 'empty');
    await writeFile(empty, '');
    await mkdir(join(home.dir, 'nothing'));
    expect(await malkoha(home, 'analyze', empty)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is empty'),
    });
    expect(await malkoha(home, 'analyze', join(home.dir, 'nothing'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no files in it'),
    });
  });
});

test('a taken API port is named with the process that holds it', async () => {
  await using home = await makeHome();
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(home.port, '127.0.0.1', resolve));
  try {
    const { code, stderr } = await malkoha(home, 'analyze', noop);
    expect(code).toBe(1);
    expect(stderr).toContain(`${home.port}`);
    expect(stderr).toContain(`(pid ${process.pid})`);
  } finally {
    await new Promise((resolve) => holder.close(resolve));
  }
});

test('a disk that is too full to accept a task is said, with the remedy', async () => {
  await using home = await makeHome('[cuckoo]\nfreespace = 999999999\n');
  const { code, stderr } = await malkoha(home, 'analyze', noop);
  expect(code).toBe(1);
  expect(stderr).toMatch(/Only \d+ MB are free in .* \(507 from/);
  expect(stderr).toContain('Free disk space');
});

test('a configuration that is wrong names file, line, key and what is accepted', async () => {
  await using home = await makeHome('[timeouts]\ndefault = soon\n');
  const { code, stderr } = await malkoha(home, 'analyze', noop);
  expect(code).toBe(1);
  expect(stderr).toMatch(/cuckoo\.conf:\d+.*default.*soon/);
});

test('a second daemon on the same home says which pid has it', async () => {
  await using home = await makeHome();
  const first = start(home, 'up', '--machines', '1');
  await first.said(/Malkoha is up/);
  const second = await malkoha(home, 'up');
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(`pid ${await pidOf(home, /cli\/main\.js up --machines/)}`);
  first.process.kill('SIGINT');
  expect((await first.ended).code).toBe(0); // the way `up` is meant to end
});

describe('killed in the middle of a run', () => {
  test('QEMU: failed_analysis with the reason, and the next run works', async () => {
    await using home = await makeHome();
    const run = start(home, 'analyze', spin, '--timeout', '30', '--json');
    await run.said(/push/);
    for (const pid of await qemus(home)) process.kill(pid, 'SIGKILL');
    const { code, stdout, stderr } = await run.ended;
    expect(code).toBe(1);
    expect(result.parse(JSON.parse(stdout))).toMatchObject({
      status: 'failed_analysis',
      error: expect.stringContaining('GUEST_LOST'),
    });
    expect(stderr).toContain('spin.sh');
    await nextRunWorks(home);
  });

  test('Redis: it comes back and the task is reported', async () => {
    await using home = await makeHome();
    const run = start(home, 'analyze', spin, '--timeout', '8', '--json');
    await run.said(/push/);
    process.kill(await pidOf(home, /redis-server/), 'SIGKILL');
    const { code, stdout } = await run.ended;
    expect({ code, status: result.parse(JSON.parse(stdout)).status }).toEqual({
      code: 0,
      status: 'reported',
    });
  });

  test('the worker: it is started again and the task runs again', async () => {
    await using home = await makeHome();
    const run = start(home, 'analyze', spin, '--timeout', '8', '--json');
    await run.said(/push/);
    process.kill(await pidOf(home, /worker\/main\.js/), 'SIGKILL');
    const { code, stdout } = await run.ended;
    expect({ code, status: result.parse(JSON.parse(stdout)).status }).toEqual({
      code: 0,
      status: 'reported',
    });
  });

  test('the API: it is started again and the task is reported', async () => {
    await using home = await makeHome();
    const run = start(home, 'analyze', spin, '--timeout', '8', '--json');
    await run.said(/push/);
    process.kill(await pidOf(home, /api\/main\.js/), 'SIGKILL');
    const { code, stdout } = await run.ended;
    expect({ code, status: result.parse(JSON.parse(stdout)).status }).toEqual({
      code: 0,
      status: 'reported',
    });
  });

  test('everything, by kill -9 of the command: nothing stays, the task is not lost, the next run works', async () => {
    await using home = await makeHome();
    const run = start(home, 'analyze', spin, '--timeout', '20');
    await run.said(/push/);
    run.process.kill('SIGKILL');
    await run.ended;
    await nextRunWorks(home);
  });

  test('Ctrl-C: exit 130, the task stays pending, nothing is left, the next run works', async () => {
    await using home = await makeHome();
    const run = start(home, 'analyze', spin, '--timeout', '20');
    await run.said(/push/);
    run.process.kill('SIGINT');
    const { code } = await run.ended;
    expect(code).toBe(130);
    await nextRunWorks(home);
  });
});

describe('what a sample can do to its guest', () => {
  test('a kernel panic is failed_analysis with the reason', async () => {
    await using home = await makeHome();
    const panic = join(home.dir, 'panic.sh');
    await writeFile(panic, '#!/bin/sh\nsleep 1\necho c > /proc/sysrq-trigger\nsleep 60\n');
    const { code, stdout } = await malkoha(home, 'analyze', panic, '--timeout', '30', '--json');
    expect(code).toBe(1);
    expect(result.parse(JSON.parse(stdout))).toMatchObject({
      status: 'failed_analysis',
      error: expect.stringContaining('GUEST_LOST'),
    });
  });

  test('killing the agent ends the analysis with a reason well before the hard limit', async () => {
    await using home = await makeHome();
    const murder = join(home.dir, 'murder.sh');
    await writeFile(murder, '#!/bin/sh\nsleep 1\nkill -9 $(pgrep python3)\nsleep 300\n');
    const { code, stdout } = await malkoha(home, 'analyze', murder, '--timeout', '20', '--json');
    expect(code).toBe(1);
    expect(result.parse(JSON.parse(stdout))).toMatchObject({
      status: 'failed_analysis',
      error: expect.stringMatching(/\[[A-Z_]+\] /),
    });
  });
});

async function nextRunWorks(home: Home): Promise<void> {
  const { code, stdout, stderr } = await malkoha(home, 'analyze', noop, '--json');
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  expect(result.parse(JSON.parse(stdout)).status).toBe('reported');
}

/** All of them: which one runs the sample cannot be told from outside. */
async function qemus(home: Home): Promise<readonly number[]> {
  return (await processesOf(home.dir))
    .filter((line) => /qemu-system/.test(line))
    .map((line) => Number.parseInt(line, 10));
}
