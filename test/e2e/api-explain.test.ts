import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Machine } from '#domain/machine.js';
import { VERSION } from '../../apps/version.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, submit } from '../support/api-client.js';

const LAB = 'lab/1/1';
const ON = { name: 'm1', label: 'm1', manager: 'fake' };

const machine = (name: string, changes: Partial<Machine> = {}): Machine => ({
  ...{ name, label: name, platform: 'linux', arch: 'x64', tags: [], reserved: false },
  ...{ ip: '10.0.2.15', resultServer: { ip: '10.0.2.2', port: 2042 }, snapshot: null },
  ...changes,
});

describe('what a task waits for, and how it ended', () => {
  let api: TestApi;
  const explain = async (id: number) =>
    (await ask(api, `/tasks/explain/${id}`)).body as unknown as Record<string, unknown>;

  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('the machines it could run on: none, of no worker, disabled, quarantined, paused, in use, free', async () => {
    const { machines, workers } = api.context;
    const id = await submit(api, 'a', 'a', { platform: 'linux', arch: 'x86' });
    expect(await explain(id)).toMatchObject({
      reason: 'no_machine',
      attempts: 0,
      outcome: null,
      last_error: null,
    });
    await workers.register({ id: LAB, name: 'lab', host: 'lab', version: VERSION });
    await machines.register(LAB, [machine('arm', { arch: 'arm64' })]);
    expect(await explain(id)).toMatchObject({ reason: 'no_matching_machine' });

    // Of a worker that has ended, beside one that has not.
    await machines.register('gone/1/1', [machine('old')]);
    await machines.abandon('gone/1/1', 'its worker has ended');
    expect(await explain(id)).toMatchObject({ reason: 'no_worker', message: expect.stringContaining('old') });

    await machines.register(LAB, [machine('arm', { arch: 'arm64' }), machine('m1'), machine('m2')]);
    const set = (name: string, state: 'disabled' | 'quarantined' | 'leased' | 'ready') =>
      machines.update(name, {
        ...{ state, locked: state !== 'ready', reason: state === 'quarantined' ? 'no answer' : null },
        retryOn: state === 'quarantined' ? new Date('2026-03-02T09:00:00Z') : null,
      });
    await set('m1', 'disabled');
    await set('m2', 'disabled');
    expect(await explain(id)).toMatchObject({
      reason: 'machines_disabled',
      message: expect.stringContaining('m1 is disabled; m2 is disabled'),
    });
    await set('m2', 'quarantined');
    expect(await explain(id)).toMatchObject({
      reason: 'machines_quarantined',
      message: expect.stringContaining(
        'm2 is quarantined (no answer, tested again at 2026-03-02T09:00:00.000Z)',
      ),
      machines: { matching: 2, free: 0 },
    });
    await set('m1', 'ready');
    await workers.beat(LAB, 'it is drained: it takes no more tasks');
    expect(await explain(id)).toMatchObject({
      reason: 'workers_paused',
      message: expect.stringContaining('lab: it is drained'),
      position: null,
    });
    await workers.beat(LAB, null);
    await set('m1', 'leased');
    expect(await explain(id)).toMatchObject({
      reason: 'waiting_for_machine',
      message: 'It is the next; every machine that fits is in use.',
      lane: 'platform=linux;arch=x86',
      position: 1,
    });
    await set('m1', 'ready');
    expect(await explain(id)).toMatchObject({
      message: 'It is the next; a machine is free for it.',
      machines: { matching: 2, free: 1 },
      estimate: { start_in_seconds: 0 },
    });
  });

  test('an attempt that failed, and the end of the last one', async () => {
    const { tasks, queues } = api.context;
    const id = await submit(api, 'b', 'b');
    const errors = [{ action: 'AGENT_UNREACHABLE', message: 'attempt 1 of 3, on m1: no answer' }];
    const first = await tasks.runs.claim(id, LAB, ON);
    const again = { to: 'pending', outcome: 'agent_unreachable', avoid: ['m1'], errors } as const;
    await tasks.runs.end(id, first?.epoch ?? 0, again);
    await queues.lanes.remove(id);
    await queues.enqueueAnalysis(
      { ...(await tasks.get(id)), avoid: ['m1'] },
      { at: 'front', delayMs: 3_600_000 },
    );
    expect(await explain(id)).toMatchObject({
      reason: 'retrying',
      message: expect.stringContaining(
        'Attempt 2 of 3 follows in a few seconds. The last one failed: attempt 1',
      ),
      outcome: 'agent_unreachable',
      attempts: 1,
      last_error: errors[0]?.message,
    });
    const second = await tasks.runs.claim(id, LAB, ON);
    const end = {
      to: 'failed_analysis',
      outcome: 'guest_lost',
      errors: [{ action: 'x', message: 'it panicked' }],
    } as const;
    await tasks.runs.end(id, second?.epoch ?? 0, end);
    expect(await explain(id)).toMatchObject({
      reason: 'ended',
      message: 'It has ended after 2 attempts: it is failed_analysis (guest_lost): it panicked',
      outcome: 'guest_lost',
      attempts: 2,
    });
  });
});
