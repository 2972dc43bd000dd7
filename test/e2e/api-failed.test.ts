import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { OutcomeCode } from '#domain/outcome.js';
import { PROCESSING_QUEUE } from '#queue/queues.js';
import { binaryPath } from '#storage/binaries.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, form, PLAIN_DATE, post, submit, viewTask } from '../support/api-client.js';

const ON = { name: 'm1', label: 'm1', manager: 'fake' };

interface Failed {
  readonly tasks: readonly Readonly<Record<string, unknown> & { id: number }>[];
  readonly next_cursor: string | null;
}
interface Retried {
  readonly retried: readonly { readonly retried_id: number; readonly task_id: number }[];
  readonly refused: readonly { readonly task_id: number; readonly message: string }[];
  readonly next_cursor: string | null;
}

describe('tasks that failed', () => {
  let api: TestApi;
  const failed = async (query = '') => (await ask(api, `/tasks/failed?${query}`)).body as unknown as Failed;
  const retry = async (fields: Readonly<Record<string, string>>) =>
    (await post(api, '/tasks/retry', form(fields))).body as unknown as Retried;
  const retryOne = async (id: number) => ask(api, `/tasks/retry/${id}`, { method: 'POST' });

  /** A task whose run, or whose report, ended so. */
  async function fail(outcome: OutcomeCode, name = outcome): Promise<number> {
    const { tasks, queues } = api.context;
    const id = await submit(api, name, `${name} ${Math.random()}`, {
      owner: 'ann',
      arch: 'x64',
      priority: '3',
    });
    await queues.lanes.remove(id);
    const epoch = (await tasks.runs.claim(id, 'w', ON))?.epoch ?? 0;
    const errors = [{ action: 'x', message: `because of ${outcome}` }];
    if (outcome !== 'processing_failed') {
      await tasks.runs.end(id, epoch, { to: 'failed_analysis', outcome, errors });
      return id;
    }
    await tasks.runs.end(id, epoch, { to: 'completed', outcome: 'timed_out', route: 'none', errors });
    await tasks.move(id, 'completed', 'failed_processing', { outcome });
    return id;
  }

  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('the newest first, page by page, with outcome, reason, attempts and machine', async () => {
    const ids: number[] = [];
    for (const outcome of ['vm_start_failed', 'guest_lost', 'processing_failed'] as const)
      ids.push(await fail(outcome));
    await submit(api, 'fine', 'fine');
    const { tasks, next_cursor: none } = await failed();
    expect(none).toBeNull();
    expect(tasks.map(({ id }) => id)).toEqual(ids.toReversed());
    expect(tasks[0]).toEqual({
      id: ids[2],
      status: 'failed_processing',
      outcome: 'processing_failed',
      reason: 'because of processing_failed',
      attempts: 1,
      machines: ['m1'],
      completed_on: expect.stringMatching(PLAIN_DATE),
      target: expect.stringMatching(/\/processing_failed$/),
      owner: 'ann',
    });
    const first = await failed('limit=2');
    const second = await failed(`limit=2&cursor=${first.next_cursor ?? ''}`);
    expect([...first.tasks, ...second.tasks].map(({ id }) => id)).toEqual(ids.toReversed());
    expect((await failed('outcome=guest_lost')).tasks.map(({ id }) => id)).toEqual([ids[1]]);
    expect((await failed(`since=${Date.now() / 1000 + 3600}`)).tasks).toEqual([]);
    for (const bad of ['since=x', 'limit=-1', 'cursor=x'])
      expect((await ask(api, `/tasks/failed?${bad}`)).status).toBe(400);
  });

  test('a failed analysis runs again as a new task with the same wishes; the old one is recovered', async () => {
    const old = await fail('vm_start_failed');
    const answer = await retryOne(old);
    const { task_id: id } = answer.body;
    expect(answer).toMatchObject({ status: 200, body: { retried_id: old } });
    expect(id).toBeGreaterThan(old);
    expect(await viewTask(api, id)).toMatchObject({ status: 'pending', owner: 'ann', priority: 3 });
    expect((await api.context.tasks.get(id)).arch).toBe('x64');
    expect((await viewTask(api, old)).status).toBe('recovered');
    expect(await api.context.queues.lanes.has([old, id])).toEqual([false, true]);
    expect(await retryOne(old)).toMatchObject({
      status: 409,
      body: { message: 'The task is recovered: only one that failed can be retried' },
    });
    expect((await retryOne(424242)).status).toBe(404);
    const audit = api.log.find((line) => line.includes('audit') && line.includes('/tasks/retry/:id'));
    expect(audit).toContain(`"task":${old},"made":[${id}]`);
  });

  test('a failed report is made again from what is stored', async () => {
    const { tasks, queues } = api.context;
    const id = await fail('processing_failed');
    expect((await retryOne(id)).body).toEqual({ retried_id: id, task_id: id });
    expect(await tasks.get(id)).toMatchObject({ status: 'completed', outcome: null });
    expect(await queues.states(PROCESSING_QUEUE, [id])).toEqual(['present']);
  });

  test('many at once: by ids, by outcome, or all but those that were cancelled; what is refused says why', async () => {
    const [a, b] = [await fail('agent_unreachable'), await fail('agent_unreachable')];
    const running = await submit(api, 'r', 'r');
    const gone = await fail('agent_unreachable');
    const { sample } = await api.context.tasks.get(gone);
    await rm(binaryPath(api.context.home.binaries, sample?.sha256 ?? ''));
    const byIds = await retry({ ids: `${a}, ${running},424242, ${gone}` });
    expect(byIds.retried).toEqual([{ retried_id: a, task_id: expect.any(Number) }]);
    expect(byIds.refused).toEqual([
      { task_id: running, message: 'The task is pending: only one that failed can be retried' },
      { task_id: 424242, message: 'Task not found' },
      { task_id: gone, message: 'The stored sample is gone: submit the file again' },
    ]);

    const json = { method: 'POST', headers: { 'content-type': 'application/json' } };
    const byOutcome = await ask(api, '/tasks/retry', {
      ...json,
      body: JSON.stringify({ outcome: 'agent_unreachable' }),
    });
    expect(byOutcome.body).toMatchObject({ retried: [{ retried_id: b }], refused: [{ task_id: gone }] });

    const cancelled = await submit(api, 'c', 'c');
    await api.context.tasks.cancel(cancelled, 'cancelled');
    const waiting = (await failed()).tasks.map(({ id }) => id);
    const seen: number[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const {
        retried,
        refused,
        next_cursor: next,
      } = await retry({
        ...{ all: 'true', limit: '1' },
        ...(cursor !== '' && { cursor }),
      });
      seen.push(...retried.map((one) => one.retried_id), ...refused.map((one) => one.task_id));
      cursor = next;
    }
    expect(seen.toSorted()).toEqual(waiting.filter((id) => id !== cancelled).toSorted());
    expect((await failed()).tasks.map(({ id }) => id)).toEqual([cancelled, gone]);
  });

  test.each([
    {},
    { ids: 'x' },
    { ids: '1', all: '1' },
    { outcome: 'a', limit: '0' },
    { all: '1', cursor: 'x' },
  ])('it must be said which: %j', async (fields) => {
    expect((await post(api, '/tasks/retry', form(fields))).status).toBe(400);
  });
});
