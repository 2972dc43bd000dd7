import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { makeHome, pidOf, SAMPLES, start, type Home, type Running } from '../support/malkoha.js';
import { startReceiver } from '../support/receiver.js';
import { messages } from '../support/sse.js';

/** Real guests: a run that goes on for minutes unless it is stopped. */
describe('a cancel', () => {
  let home: Home;
  let lab: Running;

  beforeAll(async () => {
    home = await makeHome('[webhooks]\nallow_private = yes\n');
    lab = start(home, 'up', '--machines', '1');
    await lab.said(/Malkoha is up/);
  }, 600_000);
  afterAll(async () => {
    lab.process.kill('SIGINT');
    await lab.ended;
    await home[Symbol.asyncDispose]();
  }, 60_000);

  async function get(path: string, method = 'GET'): Promise<Record<string, unknown>> {
    const answer = await fetch(`${home.url}${path}`, { method });
    return { status: answer.status, ...((await answer.json()) as object) };
  }

  async function submit(sample: string, timeout: number): Promise<number> {
    const form = new FormData();
    form.set('file', new Blob([await readFile(join(SAMPLES, sample))]), sample);
    form.set('timeout', String(timeout));
    const answer = await fetch(`${home.url}/tasks/create/file`, { method: 'POST', body: form });
    return ((await answer.json()) as { task_id: number }).task_id;
  }

  /** What happens to a task until `word` (a phase or a status) does. */
  async function until(task: number, word: string): Promise<unknown[]> {
    const seen: unknown[] = [];
    for await (const { data } of messages(await fetch(`${home.url}/tasks/events/${task}`))) {
      seen.push(data['phase'] ?? data['status']);
      if (seen.at(-1) === word) break;
    }
    return seen;
  }

  async function view(task: number) {
    const { task: seen } = (await get(`/tasks/view/${task}`)) as {
      task: { status: string; errors: string[]; guest: { status: string; shutdown_on: string | null } };
    };
    return seen;
  }

  test('stops the run: the machine is free for the next one, what was collected stays, the task never ends otherwise', async () => {
    const id = await submit('spin.sh', 600);
    const waiting = await submit('noop.sh', 20);
    expect(await until(id, 'push')).toContain('prepare');
    // Its worker has begun with the other one, and takes it out of the lane at about the same time.
    let explained = await get(`/tasks/explain/${waiting}`);
    while (explained['reason'] === 'ahead_in_lane') explained = await get(`/tasks/explain/${waiting}`);
    expect(explained).toMatchObject({
      reason: 'waiting_for_machine',
      machines: { matching: 1, free: 0 },
    });
    expect(await get(`/tasks/cancel/${id}`, 'POST')).toEqual({ status: 'OK' });
    const task = await view(id);
    expect(task).toMatchObject({
      status: 'failed_analysis',
      errors: [expect.stringContaining('[CANCELLED]')],
    });
    // It would have ten minutes more.
    expect(await until(waiting, 'reported')).toContain('running');

    expect(await view(id)).toEqual({
      ...task,
      guest: { ...task.guest, status: 'stopped', shutdown_on: expect.any(String) },
    });
    const dir = join(home.dir, 'storage', 'analyses', String(id));
    expect(await readdir(dir)).toEqual(expect.arrayContaining(['dump.pcap', 'cuckoo.log', 'task.json']));
    expect(JSON.parse(await readFile(join(dir, 'task.json'), 'utf8'))).toMatchObject({
      outcome: { status: 'failed', code: 'CANCELLED' },
    });
    expect(await get(`/tasks/cancel/${id}`, 'POST')).toMatchObject({ status: 409 });
    expect(await get(`/tasks/delete/${id}`)).toEqual({ status: 'OK' });
  }, 240_000);

  test('is told to a webhook, also when the API is killed while it tells', async () => {
    // The first message is taken and never answered.
    await using receiver = await startReceiver((n) => (n === 1 ? null : 200));
    await fetch(`${home.url}/webhooks`, { method: 'POST', body: new URLSearchParams({ url: receiver.url }) });
    const id = await submit('spin.sh', 600);
    await until(id, 'running');
    expect(await get(`/tasks/cancel/${id}`, 'POST')).toEqual({ status: 'OK' });
    await receiver.count(1);
    process.kill(await pidOf(home, /api\/main\.js/), 'SIGKILL');
    const [first, second] = await receiver.count(2);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(JSON.parse(second?.body ?? '')).toMatchObject({
      type: 'task.failed_analysis',
      data: { task_id: id, status: 'failed_analysis' },
    });
    for (;;) {
      const { deliveries } = (await get('/webhooks/1/deliveries')) as { deliveries: { state: string }[] };
      if (deliveries[0]?.state === 'delivered') break;
      await sleep(50);
    }
  }, 240_000);
});
