import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Machine } from '#domain/machine.js';
import { VERSION } from '../../apps/version.js';
import { startApi, type TestApi } from '../support/api.js';
import { submit, viewTask } from '../support/api-client.js';
import { build, configure, malkoha, start, type Ended } from '../support/malkoha.js';

/** Each command is a process of its own, on a host that may be busy. */
jest.setTimeout(120_000);

const LAB = 'lab/1/1';
const MACHINE: Machine = {
  ...{
    name: 'm1',
    label: 'm1',
    platform: 'linux',
    arch: 'x64',
    tags: ['office'],
    reserved: false,
    snapshot: null,
  },
  ...{ ip: '10.0.2.15', resultServer: { ip: '10.0.2.2', port: 2042 } },
};
const ON = { name: 'm1', label: 'm1', manager: 'fake' };

describe('an operator at the command line', () => {
  let api: TestApi;
  const run = (...args: string[]): Promise<Ended> => malkoha(api.context.home, ...args);

  beforeAll(async () => {
    await build();
    api = await startApi();
    await configure(api.context.home.dir, `[api]\nport = ${new URL(api.url).port}\n`);
    await api.context.workers.register({ id: LAB, name: 'lab', host: 'lab', version: VERSION });
    await api.context.machines.register(LAB, [MACHINE, { ...MACHINE, name: 'm2', label: 'm2' }]);
    for (const name of ['m1', 'm2'])
      await api.context.machines.update(name, { state: 'ready', status: 'saved' });
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('machines and the status of the lab, for people and for programs', async () => {
    await using empty = await startApi();
    await configure(empty.context.home.dir, `[api]\nport = ${new URL(empty.url).port}\n`);
    expect((await malkoha(empty.context.home, 'machine', 'list')).stderr).toContain('no machines');
    const { machines } = api.context;
    await submit(api, 's', 's');
    await run('task', 'cancel', String(await submit(api, 'x', 'x')));
    await machines.update('m1', {
      state: 'quarantined',
      status: 'aborted',
      locked: true,
      reason: 'no agent',
    });
    const { stdout } = await run('machine', 'list');
    expect(stdout).toMatch(/^NAME +PLATFORM +ARCH +STATE +SINCE +WORKER +TAGS +REASON$/m);
    expect(stdout).toMatch(/^m1 +linux +x64 +quarantined +[\d:]{8} +lab +office +no agent$/m);
    expect(JSON.parse((await run('machine', 'list', '--json')).stdout)).toMatchObject({
      machines: [{ name: 'm1', state: 'quarantined' }, { name: 'm2' }],
    });
    const status = await run('status');
    expect(status.stdout).toContain(`up  ${api.url}`);
    for (const line of [
      /^ {2}tasks +1 pending · 0 running · 0 reported · 1 failed_analysis$/m,
      /^ {2}waits +1 in lane any, the oldest for \d+ /m,
      /^ {2}machines +1 of 2 free: 1 ready, 1 quarantined$/m,
      /^ {2}quarantined +m1: no agent$/m,
      /^ {2}worker +lab · 1 ready, 1 quarantined$/m,
    ])
      expect(status.stdout).toMatch(line);
    expect(JSON.parse((await run('status', '--json')).stdout)).toMatchObject({
      version: '2.0.7',
      machines: { available: 1, total: 2 },
      scheduler: { version: VERSION, workers: [{ name: 'lab' }] },
    });
    await machines.update('m1', { state: 'ready', status: 'saved', locked: false, reason: null });
  });

  test('a machine in full, disabled and enabled again', async () => {
    await api.context.notes.failed('m1', 'its agent\u001b[2J did not answer');
    const shown = await run('machine', 'show', 'm1');
    expect(shown.stdout).toMatch(/^m1 {2}ready\n/);
    for (const line of [/^ {2}worker +lab$/m, /^ {2}waiting +1 in any, the oldest for \d+ s$/m])
      expect(shown.stdout).toMatch(line);
    expect(shown.stdout).toContain('its agent\\u001b[2J did not answer');
    const disabled = await run('machine', 'disable', 'm1', 'm2');
    expect(disabled).toMatchObject({ code: 0, stdout: expect.stringContaining('m2 is disabled') });
    expect(await api.context.machines.disabled(LAB)).toEqual(['m1', 'm2']);
    const enabled = await run('machine', 'enable', 'm1', '--json');
    expect(JSON.parse(enabled.stdout)).toMatchObject({ machines: [{ name: 'm1', enabled: true }] });
    expect(await run('machine', 'show', 'none')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('Machine not found'),
    });
  });

  test('draining machines says what it waits for, and ends when they are idle or the time is over', async () => {
    const id = await submit(api, 'd', 'd');
    await api.context.tasks.runs.claim(id, LAB, ON);
    await api.context.machines.update('m1', { state: 'leased', status: 'running' });
    const late = await run('machine', 'drain', 'm1', '--timeout', '0', '--json');
    expect(late).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`waiting for m1 (leased by task ${id})`),
    });
    expect(JSON.parse(late.stdout)).toMatchObject({ drained: false });
    const draining = start(api.context.home, 'machine', 'drain', 'm1');
    await draining.said(/leased by task/);
    expect(await api.context.machines.disabled(LAB)).toContain('m1');
    await api.context.machines.update('m1', { state: 'disabled', status: 'poweroff' });
    expect(await draining.ended).toMatchObject({ code: 0, stdout: 'drained\n' });
  });

  test('draining a worker waits until its processes are gone', async () => {
    await api.context.workers.register({ id: 'second/1/1', name: 'second', host: 'h2', version: '0' });
    const draining = start(api.context.home, 'machine', 'drain', '--worker', 'second');
    await draining.said(/waiting for the worker second to end/);
    expect(await api.context.workers.beat('second/1/1', null)).toMatchObject({ draining: true });
    await api.context.workers.remove(['second/1/1']);
    // Started again meanwhile: that one is not waited for.
    await api.context.workers.register({ id: 'second/2/2', name: 'second', host: 'h2', version: '0' });
    expect(await draining.ended).toMatchObject({ code: 0, stdout: 'worker second has ended\n' });
    await api.context.workers.remove(['second/2/2']);
  });

  test('a test that passes, one that fails, and one that does not end in time', async () => {
    const { queues, notes } = api.context;
    const box = queues.redis.duplicate();
    const answer = async (failed: { phase: 'agent'; reason: string } | null) => {
      const [, letter] = (await box.blpop(`malkoha:mail:${LAB}`, 60)) ?? [];
      const { kind, answer: id } = JSON.parse(letter ?? '{}') as { kind: string; answer: string };
      if (kind === 'test') await notes.answer(id, { phases: { restore: 60, start: 3, agent: 71 }, failed });
      return kind === 'test';
    };
    const passing = start(api.context.home, 'machine', 'test', 'm2');
    while (!(await answer(null)));
    expect(await passing.ended).toMatchObject({
      code: 0,
      stdout: 'm2 works  restore 60 ms · start 3.0 ms · agent 71 ms\n',
    });
    const failing = start(api.context.home, 'machine', 'test', 'm2');
    while (!(await answer({ phase: 'agent', reason: 'no answer' })));
    const { code, stdout, stderr } = await failing.ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('m2 failed at "agent": no answer');
    expect(await run('machine', 'test', 'm2', '--timeout', '1')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no result within 1 s'),
    });
    box.disconnect();
  });

  test('what failed, and trying it again', async () => {
    const { tasks } = api.context;
    const id = await submit(api, 'f', 'f');
    const epoch = (await tasks.runs.claim(id, LAB, ON))?.epoch ?? 0;
    const errors = [{ action: 'x', message: 'it panicked' }];
    await tasks.runs.end(id, epoch, { to: 'failed_analysis', outcome: 'guest_lost', errors });
    const { stdout } = await run('task', 'failed');
    expect(stdout).toMatch(
      new RegExp(`^ *${id} +failed_analysis +guest_lost +[\\d:]+ +1 +m1 +it panicked$`, 'm'),
    );
    expect((await run('task', 'failed', '--outcome', 'worker_lost')).stderr).toBe('no failed tasks\n');
    const json = JSON.parse(
      (await run('task', 'failed', '--json', '--since', '2026-01-01')).stdout,
    ) as object;
    expect(json).toMatchObject({ tasks: [{ id }, { outcome: 'cancelled' }], next_cursor: null });
    const retried = await run('task', 'retry', String(id), '424242');
    expect(retried).toMatchObject({ code: 1, stderr: 'malkoha: task 424242: Task not found\n' });
    const [, again = ''] = new RegExp(`^task ${id} runs again as task (\\d+)\n$`).exec(retried.stdout) ?? [];
    expect((await viewTask(api, Number(again))).status).toBe('pending');
    expect(await run('task', 'retry', '--all')).toMatchObject({ code: 0, stderr: 'no such failed task\n' });
    const explained = await run('task', 'explain', String(id));
    expect(explained.stdout).toMatch(/^ {2}attempts +1$/m);
  });
});
