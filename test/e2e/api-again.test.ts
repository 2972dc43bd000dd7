import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { jobId, PROCESSING_QUEUE } from '#queue/queues.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, drive, form, post, submit, viewTask } from '../support/api-client.js';
import { pack } from '../support/archives.js';

/** One of these unpacks an archive, in a thread that loads 7-Zip. */
jest.setTimeout(60_000);

let api: TestApi;

const job = async (queue: string, id: number) => api.context.queues.get(queue).getJob(jobId(id));

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: tasks run, reported and rebooted again', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('vector 11: reschedule makes a second task of the first one’s fields, and queues it', async () => {
    await using fresh = await startApi();
    const fields = {
      ...{ package: 'sh', timeout: '9', priority: '2', options: 'a=b', machine: 'm', platform: 'linux' },
      ...{ tags: 'x,y', custom: 'c', owner: 'o', memory: '1', enforce_timeout: '1' },
    };
    await submit(fresh, 'a.sh', '#!/bin/sh\n', { ...fields, clock: '12-19-2012 14:18:25' });
    expect(await ask(fresh, '/tasks/reschedule/1')).toMatchObject({
      status: 200,
      body: { status: 'OK', task_id: 2 },
    });
    const [old, copy] = [await viewTask(fresh, 1), await viewTask(fresh, 2)];
    expect(old.status).toBe('recovered');
    expect(copy).toEqual({ ...old, id: 2, status: 'pending', added_on: copy.added_on });
    expect(await fresh.context.queues.lanes.has([1, 2])).toEqual([false, true]);
  });

  test('reschedule takes another priority, and 0 too', async () => {
    const id = await submit(api, 'a', 'a', { priority: '2' });
    const { body } = await ask(api, `/tasks/reschedule/${id}/0`);
    expect((await viewTask(api, body.task_id))['priority']).toBe(0);
  });

  test.each(['/tasks/reschedule/666', '/v1/tasks/reschedule/0/1', '/tasks/reschedule/99999999999'])(
    '%s is a 404 with Cuckoo’s sentence',
    async (path) => {
      expect(await ask(api, path)).toMatchObject({
        status: 404,
        body: { message: 'There is no analysis with the specified ID' },
      });
    },
  );

  test.each(['/tasks/reschedule/x', '/tasks/reschedule/1/-1', '/tasks/reschedule/1/high'])(
    '%s is no path',
    async (path) => {
      await submit(api, 'a', 'a');
      expect(await ask(api, path)).toMatchObject({ status: 404, body: { message: 'Not found' } });
    },
  );

  test('a running task is a 409 that says what to do; an ended one of any kind is rescheduled', async () => {
    const id = await submit(api, 'a', 'a');
    await drive(api, id, 'running');
    const refused = await ask(api, `/tasks/reschedule/${id}`);
    expect([refused.status, refused.body.message]).toEqual([409, expect.stringContaining('running')]);
    expect((await viewTask(api, id)).status).toBe('running');
    await drive(api, id, 'failed_analysis');
    expect((await ask(api, `/tasks/reschedule/${id}`)).status).toBe(200);
    expect((await ask(api, `/tasks/reschedule/${id}`)).status).toBe(409);
  });

  test('two at once make one new task', async () => {
    const id = await submit(api, 'a', 'a');
    const { total } = await api.context.tasks.counts();
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask(api, `/tasks/reschedule/${id}`)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409]);
    expect((await api.context.tasks.counts()).total).toBe(total + 1);
  });

  test('url and archive tasks too', async () => {
    const zip = await pack('a.zip', { 'a.sh': '#!/bin/sh\n' });
    const url = await post(api, '/tasks/create/url', new URLSearchParams({ url: 'http://x/' }));
    const archive = await post(api, '/tasks/create/submit', form({}, { name: 'a.zip', content: zip }));
    const ids = [url.body.task_id, (archive.body as unknown as { task_ids: number[] }).task_ids[0] ?? 0];
    for (const id of ids) {
      const { body } = await ask(api, `/tasks/reschedule/${id}`);
      const [old, copy] = [await viewTask(api, id), await viewTask(api, body.task_id)];
      expect(copy).toMatchObject({ category: old['category'], target: old.target, options: old['options'] });
    }
  });

  test('a file whose sample is gone is a 500 with Cuckoo’s sentence, and is left as it is', async () => {
    const id = await submit(api, 'gone', 'soon gone');
    const { sample } = await viewTask(api, id);
    await rm(`${api.context.home.binaries}/${String(sample['sha256'])}`);
    expect(await ask(api, `/tasks/reschedule/${id}`)).toMatchObject({
      status: 500,
      body: { message: 'An error occurred while trying to reschedule the task' },
    });
    expect((await viewTask(api, id)).status).toBe('pending');
    expect((await ask(api, `/tasks/reboot/${id}`)).status).toBe(404);
  });

  test('rereport: a reported task is completed again and queued, any other is not', async () => {
    const id = await submit(api, 'a', 'a');
    expect(await ask(api, `/tasks/rereport/${id}`)).toMatchObject({ status: 200, body: { success: false } });
    await drive(api, id, 'running', 'completed', 'reported');
    expect(await ask(api, `/tasks/rereport/${id}`)).toMatchObject({ status: 200, body: { success: true } });
    expect((await viewTask(api, id)).status).toBe('completed');
    expect(await job(PROCESSING_QUEUE, id)).toBeDefined();
    expect((await ask(api, `/tasks/rereport/${id}`)).body).toEqual({ success: false });
    expect(await ask(api, '/tasks/rereport/666')).toMatchObject({
      status: 404,
      body: { message: 'Task not found' },
    });
  });

  test('reboot: the same file again with package reboot, on the same kind of machine', async () => {
    const id = await submit(api, 'a.sh', 'a', { platform: 'linux', tags: 'x', timeout: '9', options: 'a=b' });
    const { status, body } = await ask(api, `/tasks/reboot/${id}`);
    const { reboot_id } = body as unknown as { reboot_id: number };
    expect({ status, body }).toEqual({ status: 200, body: { task_id: id, reboot_id } });
    expect(await viewTask(api, reboot_id)).toMatchObject({
      package: 'reboot',
      custom: String(id),
      platform: 'linux',
      tags: ['x'],
      timeout: 0,
      options: null,
      sample_id: (await viewTask(api, id))['sample_id'],
    });
    const url = await post(api, '/tasks/create/url', new URLSearchParams({ url: 'http://x/' }));
    for (const path of ['/tasks/reboot/666', `/tasks/reboot/${url.body.task_id}`]) {
      expect(await ask(api, path)).toMatchObject({
        status: 404,
        body: { message: 'Error creating reboot task' },
      });
    }
  });

  test('a page of another site may do none of it', async () => {
    const id = await submit(api, 'a', 'a');
    for (const path of [`reschedule/${id}`, `rereport/${id}`, `reboot/${id}`]) {
      const headers = { 'sec-fetch-site': 'cross-site' };
      expect((await ask(api, `/tasks/${path}`, { headers })).status).toBe(403);
    }
  });
});
