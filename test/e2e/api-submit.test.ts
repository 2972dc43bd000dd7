import { execFile } from 'node:child_process';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { ask, form, PLAIN_DATE, submit, viewTask } from '../support/api-client.js';

const run = promisify(execFile);
const JS = "eval('alert(1)')";
const JS_MD5 = 'f2d886558b2866065c3da842bfe13ce6';
const JS_SHA256 = 'c6039bfcdfdfbf714caa94a3bb837a6a4907f3f84ed580ce2916bae7676b68f9';

let api: TestApi;

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: submissions', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('vector 1: an empty database has exactly no tasks', async () => {
    await using empty = await startApi();
    const { status, headers, body } = await ask(empty, '/tasks/list');
    expect({ status, body }).toEqual({ status: 200, body: { tasks: [] } });
    expect(headers.get('content-type')).toBe('application/json');
  });

  test('vector 2: the same text three times is three tasks, listed in order, of one sample', async () => {
    await using fresh = await startApi();
    for (const expected of [1, 2, 3]) expect(await submit(fresh, 'a.js', JS)).toBe(expected);
    const ids = async (path: string) => (await ask(fresh, path)).body.tasks.map((task) => task.id);
    expect(await ids('/tasks/list/1')).toEqual([1]);
    expect(await ids('/tasks/list/1/1')).toEqual([2]);
    expect(await ids('/tasks/list/2/1')).toEqual([2, 3]);
    expect(await ids('/tasks/list/0')).toEqual([]);
    expect(await ids('/tasks/list/5/99999999999999999999')).toEqual([]);
    expect((await ask(fresh, '/files/view/id/1')).body.sample).toMatchObject({
      sha256: JS_SHA256,
      tasks: [1, 2, 3],
    });
  });

  test('vector 3: a file name with a right-to-left override is kept', async () => {
    const id = await submit(api, '\u202E.jpg', 'x');
    const { body } = await ask(api, `/tasks/view/${id}`);
    expect(basename(body.task.target)).toBe('\u202E.jpg');
    expect((await ask(api, '/tasks/list')).status).toBe(200);
  });

  test('vector 4: a file task has every key, and its target is the file', async () => {
    const id = await submit(api, 'alert.js', JS);
    const { status, body } = await ask(api, `/tasks/view/${id}`);
    expect(status).toBe(200);
    const { target, added_on, sample, clock, ...rest } = body.task;
    expect(rest).toEqual({
      id,
      category: 'file',
      package: null,
      timeout: 0,
      priority: 1,
      custom: null,
      owner: null,
      machine: null,
      platform: null,
      options: null,
      tags: [],
      memory: false,
      enforce_timeout: false,
      started_on: null,
      completed_on: null,
      status: 'pending',
      sample_id: sample.id,
      submit_id: null,
      processing: null,
      route: null,
      duration: -1,
      guest: {},
      errors: [],
    });
    expect(added_on).toMatch(PLAIN_DATE);
    expect(clock).toBe(added_on);
    expect(Math.abs(Date.now() - new Date(added_on.replace(' ', 'T')).getTime())).toBeLessThan(60_000);
    expect(sample).toMatchObject({
      md5: JS_MD5,
      sha256: JS_SHA256,
      file_size: 16,
      file_type: expect.any(String),
    });
    expect(sample.crc32).toMatch(/^[0-9A-F]{8}$/);
    expect(await readFile(target, 'utf8')).toBe(JS);
    expect(basename(target)).toBe('alert.js');
    const stored = join(api.context.home.binaries, JS_SHA256);
    expect(await realpath(target)).toBe(await realpath(stored));
    expect((await stat(stored)).mode & 0o777).toBe(0o440);
  });

  test('vector 5: a URL task', async () => {
    const { status, body } = await ask(api, '/tasks/create/url', {
      method: 'POST',
      body: form({ url: 'http://machete.pwn' }),
    });
    expect(status).toBe(200);
    const { task } = (await ask(api, `/tasks/view/${body.task_id}`)).body;
    expect(task).toMatchObject({
      category: 'url',
      target: 'http://machete.pwn',
      sample_id: null,
      sample: {},
    });
  });

  test('every field of a submission comes back', async () => {
    const id = await submit(api, 'all.sh', '#!/bin/sh\n', {
      package: 'sh',
      timeout: '60',
      priority: '3',
      options: 'z=1, a = 2 ,nonsense,procmemdump=yes',
      machine: 'm1',
      platform: 'linux',
      tags: ' b, a,,b ',
      custom: 'anything: é',
      owner: 'ann',
      memory: 'Yes',
      enforce_timeout: '1',
      clock: '12-19-2012 14:18:25',
      shrike_url: 'ignored',
    });
    expect(await viewTask(api, id)).toMatchObject({
      package: 'sh',
      timeout: 60,
      priority: 3,
      options: 'a=2,procmemdump=yes,z=1',
      machine: 'm1',
      platform: 'linux',
      tags: ['b', 'a'],
      custom: 'anything: é',
      owner: 'ann',
      memory: true,
      enforce_timeout: true,
      clock: '2012-12-19 14:18:25',
    });
  });

  test('empty fields and the text None are not given; old words for no are no', async () => {
    const names = [
      'package',
      'timeout',
      'priority',
      'options',
      'machine',
      'platform',
      'tags',
      'custom',
      'owner',
      'clock',
    ];
    for (const nothing of ['', 'None']) {
      const fields = Object.fromEntries(names.map((name) => [name, nothing]));
      const id = await submit(api, 'n', 'n', {
        ...fields,
        memory: 'False',
        enforce_timeout: '0',
        clock: 'not a date',
      });
      expect(await viewTask(api, id)).toMatchObject({
        package: null,
        timeout: 0,
        priority: 1,
        options: null,
        machine: null,
        tags: [],
        memory: false,
        enforce_timeout: false,
      });
    }
  });

  test.each([
    ['timeout', '-1'],
    ['timeout', '1.5'],
    ['timeout', '99999999999'],
    ['priority', 'high'],
    ['memory', 'perhaps'],
    ['enforce_timeout', '[]'],
    ['options', 'a=b\nroute=internet'],
    ['package', 'sh\r\n'.padStart(8, 'x') + 'y'],
    ['machine', '\u0000'],
    ['owner', 'x'.repeat(300)],
    ['custom', 'x'.repeat(70_000)],
    ['tags', Array.from({ length: 200 }, (_, n) => n).join(',')],
  ])('a bad value of a field is refused and the field named: %s, case %#', async (name, value) => {
    const { status, body } = await ask(api, '/tasks/create/url', {
      method: 'POST',
      body: form({ url: 'http://x/', [name]: value }),
    });
    expect(status).toBe(400);
    expect(body.message).toContain(`"${name}"`);
  });

  test('unique refuses what is known, and only that', async () => {
    const content = `only once ${Math.random()}`;
    await submit(api, 'u', content, { unique: 'yes' });
    const again = await ask(api, '/tasks/create/file', {
      method: 'POST',
      body: form({ unique: '1' }, { name: 'u', content }),
    });
    expect({ status: again.status, body: again.body }).toEqual({
      status: 400,
      body: { message: 'This file has already been submitted' },
    });
    await submit(api, 'u', content, { unique: 'no' });
  });

  test('the empty file is a sample', async () => {
    const id = await submit(api, 'empty', '');
    expect((await viewTask(api, id)).sample).toMatchObject({
      file_size: 0,
      file_type: 'empty',
      crc32: '00000000',
      ssdeep: '3::',
      md5: 'd41d8cd98f00b204e9800998ecf8427e',
    });
  });

  test('a submission is queued; with Redis away it is accepted all the same', async () => {
    await using fresh = await startApi();
    const { queues, tasks } = fresh.context;
    const first = await submit(fresh, 'a', 'a', { priority: '7' });
    expect(await queues.place(first)).toEqual({ state: 'waiting', ahead: 0 });
    await fresh.redis[Symbol.asyncDispose]();
    const second = await submit(fresh, 'b', 'b');
    expect(await tasks.status(second)).toBe('pending');
    expect(fresh.log.some((line) => line.includes('QUEUE_UNAVAILABLE'))).toBe(true);
  });

  test('a task that no machine can ever serve says so early', async () => {
    await using fresh = await startApi();
    const machine = {
      name: 'g1',
      label: 'guest one',
      platform: 'linux',
      tags: ['x64'],
      ip: '10.0.2.15',
      resultServer: { ip: '10.0.2.2', port: 2042 },
      arch: 'x64',
      reserved: false,
      snapshot: null,
    } as const;
    await fresh.context.machines.register('w', [machine]);
    const good = await submit(fresh, 'a', 'a', { machine: 'guest one' });
    const bad = await submit(fresh, 'a', 'a', { platform: 'windows' });
    expect((await viewTask(fresh, good)).errors).toEqual([]);
    expect((await viewTask(fresh, bad)).errors).toHaveLength(1);

    const shown = {
      id: 1,
      name: 'g1',
      label: 'guest one',
      ip: '10.0.2.15',
      platform: 'linux',
      resultserver_ip: '10.0.2.2',
      resultserver_port: '2042',
      tags: ['x64'],
      interface: null,
      snapshot: null,
      locked: false,
      locked_changed_on: null,
      status: null,
      status_changed_on: null,
      options: [],
      rcparams: {},
    };
    expect((await ask(fresh, '/machines/list')).body).toEqual({ machines: [shown] });
    await fresh.context.machines.update('g1', { status: 'running', locked: true });
    const { machine: seen } = (await ask(fresh, '/machines/view/g1')).body;
    expect(seen).toMatchObject({
      status: 'running',
      locked: true,
      locked_changed_on: expect.stringMatching(PLAIN_DATE),
    });
    expect((await ask(fresh, '/cuckoo/status')).body.machines).toEqual({ available: 0, total: 1 });
    await fresh.context.machines.register('w2', [machine], {
      isGone: (worker) => worker === 'w',
      isBefore: () => false,
    });
    expect((await ask(fresh, '/machines/view/g1')).body.machine).toMatchObject({ id: 1, locked: false });
    expect(await ask(fresh, '/machines/view/none')).toMatchObject({
      status: 404,
      body: { message: 'Machine not found' },
    });
  });

  test('what fails once a task is stored does not make its client send it again', async () => {
    await using own = await startApi();
    await own.context.db.query('DROP TABLE machines');
    const id = await submit(own, 'a', 'a');
    expect(await own.context.tasks.status(id)).toBe('pending');
    expect(own.log.join()).toContain('no such table: machines');
  });

  test('curl, as the founding document has it', async () => {
    const file = join(api.context.home.dir, 'for curl.exe');
    await writeFile(file, 'MZ');
    const { stdout } = await run('curl', ['-s', '-F', `file=@${file}`, `${api.url}/tasks/create/file`]);
    const { task_id } = JSON.parse(stdout) as { task_id: number };
    expect(basename((await viewTask(api, task_id)).target)).toBe('for curl.exe');
    const url = await run('curl', [
      '-s',
      '-F',
      'url=http://www.malicious.site',
      `${api.url}/tasks/create/url`,
    ]);
    expect(JSON.parse(url.stdout)).toMatchObject({ task_id: task_id + 1 });
  });
});
