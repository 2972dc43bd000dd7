import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { DataSource } from 'typeorm';
import { canMove, TASK_STATUSES, TERMINAL, type TaskStatus } from '#domain/task.js';
import { openDatabase } from '#storage/database.js';
import { Deliveries } from '#storage/deliveries.js';
import { Tasks } from '#storage/tasks.js';
import { Webhooks } from '#storage/webhooks.js';
import { onEachDatabase } from '../support/databases.js';
import { aSubmission, ON } from '../support/task.js';

const secret = 'whsec_x';

onEachDatabase((fresh, kind) => {
  let connection: string;
  let db: DataSource;
  let tasks: Tasks;
  let webhooks: Webhooks;
  let deliveries: Deliveries;

  beforeEach(async () => {
    connection = await fresh();
    db = await openDatabase(connection);
    tasks = new Tasks(db);
    webhooks = new Webhooks(db);
    deliveries = new Deliveries(db);
  });
  afterEach(async () => {
    await db.destroy();
  });

  const hook = async (statuses: readonly TaskStatus[] = TERMINAL) =>
    webhooks.create({ url: 'http://receiver.test/', secret, statuses });

  /** A task that a worker has failed on. */
  async function failedTask(): Promise<number> {
    const { id } = await tasks.create(aSubmission(), null);
    await tasks.move(id, 'pending', 'failed_analysis');
    return id;
  }

  test('whatever way a task takes, each move to an end makes one message for each webhook that wants it', async () => {
    const all = await hook();
    const some = await hook(['reported', 'failed_processing']);
    const property = fc.asyncProperty(
      fc.array(fc.constantFrom(...TASK_STATUSES), { maxLength: 12 }),
      async (way) => {
        const { id } = await tasks.create(aSubmission(), null);
        let status: TaskStatus = 'pending';
        const ends: TaskStatus[] = [];
        for (const to of way) {
          if (!canMove(status, to)) continue;
          const moved =
            to === 'running'
              ? (await tasks.runs.claim(id, 'w', ON)) !== null
              : await tasks.move(id, status, to);
          expect(moved).toBe(true);
          status = to;
          if (TERMINAL.includes(to)) ends.push(to);
        }
        const made = async (webhook: number) =>
          (await deliveries.page(webhook, 1000))
            .filter((row) => row.taskId === id)
            .map((row) => row.status)
            .toReversed();
        expect(await made(all.id)).toEqual(ends);
        expect(await made(some.id)).toEqual(
          ends.filter((end) => end === 'reported' || end === 'failed_processing'),
        );
      },
    );
    await fc.assert(property, { numRuns: 40 });
  }, 60_000);

  test('what changes nothing, does not end, or ends unseen by a webhook makes no message', async () => {
    const made = await hook();
    const deaf = await hook(['reported']);
    const gone = await hook();
    await webhooks.disable(gone.id);
    const { id } = await tasks.create(aSubmission(), null);
    await tasks.runs.claim(id, 'w', ON);
    expect(await deliveries.page(made.id, 9)).toEqual([]);
    expect(await tasks.cancel(id, 'Cancelled')).not.toBeNull();
    expect(await tasks.cancel(id, 'Cancelled')).toBeNull();
    await db.query(`UPDATE tasks SET status = 'failed_analysis', route = 'none' WHERE id = ${id}`);
    const rows = await deliveries.page(made.id, 9);
    expect(rows).toMatchObject([
      {
        webhookId: made.id,
        taskId: id,
        status: 'failed_analysis',
        state: 'pending',
        attempts: 0,
        attemptedOn: null,
      },
    ]);
    expect(rows[0]?.messageId).toMatch(/^[0-9a-f]{32}$/);
    expect(Math.abs(Date.now() - (rows[0]?.dueOn.getTime() ?? 0))).toBeLessThan(60_000);
    expect(await deliveries.page(deaf.id, 9)).toEqual([]);
    expect(await deliveries.page(gone.id, 9)).toEqual([]);
  });

  test('the message is made with the move or not at all', async () => {
    const { id: webhook } = await hook();
    const { id } = await tasks.create(aSubmission(), null);
    const undone = db.transaction(async (inside) => {
      await inside.query(`UPDATE tasks SET status = 'failed_analysis' WHERE id = ${id}`);
      throw new Error('the process dies');
    });
    await expect(undone).rejects.toThrow('dies');
    expect(await deliveries.page(webhook, 9)).toEqual([]);
    expect(await tasks.status(id)).toBe('pending');
  });

  test('two processes send each message once, oldest first', async () => {
    const { id: webhook } = await hook();
    const made: number[] = [];
    for (let n = 0; n < 10; n += 1) made.push(await failedTask());
    const other = await openDatabase(connection);
    try {
      const theirs = new Deliveries(other);
      const claims: number[] = [];
      const drain = async (by: Deliveries): Promise<void> => {
        for (let next = await by.claim(webhook, 60_000); next; next = await by.claim(webhook, 60_000)) {
          claims.push(next.taskId);
        }
      };
      await Promise.all([drain(deliveries), drain(theirs)]);
      expect(claims.toSorted((a, b) => a - b)).toEqual(made);
    } finally {
      await other.destroy();
    }
  });

  test('what a process that was killed did not end is taken over, and its late word does not count', async () => {
    const { id: webhook } = await hook();
    await failedTask();
    const first = await deliveries.claim(webhook, 50);
    expect(first).toMatchObject({ attempts: 1 });
    expect(await deliveries.claim(webhook, 50)).toBeNull();
    await sleep(60);
    const second = await deliveries.claim(webhook, 60_000);
    expect(second).toMatchObject({ id: first?.id, messageId: first?.messageId, attempts: 2 });
    if (!first || !second) throw new Error('nothing was claimed');
    await deliveries.settle(first, { state: 'failed' }, { status: 500, error: 'late' });
    expect(await deliveries.find(second.id)).toMatchObject({ state: 'pending', lastError: null });
    await deliveries.settle(second, { state: 'delivered' }, { status: 200, error: null });
    expect(await deliveries.find(second.id)).toMatchObject({ state: 'delivered', lastStatus: 200 });
    expect(await deliveries.due()).toEqual(new Map());
  });

  test('a message that failed waits until it is due; asked for again, it is due at once', async () => {
    const { id: webhook } = await hook();
    await failedTask();
    const claim = await deliveries.claim(webhook, 60_000);
    if (!claim) throw new Error('nothing was claimed');
    const later = new Date(Date.now() + 3_600_000);
    await deliveries.settle(claim, { state: 'pending', dueOn: later }, { status: 503, error: '503' });
    expect(await deliveries.due()).toEqual(new Map([[webhook, later]]));
    expect(await deliveries.claim(webhook, 60_000)).toBeNull();
    expect(await deliveries.again(claim.id)).toBe(true);
    expect(await deliveries.claim(webhook, 60_000)).toMatchObject({ id: claim.id, attempts: 1 });
    expect(await deliveries.again(424242)).toBe(false);
  });

  test('the log is paged newest first; a deleted webhook takes it along; old entries are swept', async () => {
    const { id: webhook } = await hook();
    const { id: other } = await hook();
    for (let n = 0; n < 5; n += 1) await failedTask();
    const first = await deliveries.page(webhook, 2);
    const rest = await deliveries.page(webhook, 9, first.at(-1)?.id);
    expect([...first, ...rest].map((row) => row.taskId)).toEqual([5, 4, 3, 2, 1]);
    await deliveries.abandon(webhook, 'disabled');
    expect(await deliveries.due()).toEqual(new Map([[other, expect.any(Date)]]));
    expect((await deliveries.page(webhook, 9)).map((row) => row.lastError)).toEqual(
      Array(5).fill('disabled'),
    );
    await deliveries.sweep();
    expect(await deliveries.page(webhook, 9)).toHaveLength(5);
    await db.query(`UPDATE webhook_deliveries SET due_on = '2000-01-01 00:00:00.000' WHERE task_id < 3`);
    await deliveries.sweep();
    expect((await deliveries.page(webhook, 9)).map((row) => row.taskId)).toEqual([5, 4, 3]);
    expect(await deliveries.page(other, 9)).toHaveLength(5);
    expect(await webhooks.delete(other)).toBe(true);
    expect(await webhooks.delete(other)).toBe(false);
    expect(await deliveries.page(other, 9)).toEqual([]);
  });

  test('a webhook comes back as it was given', async () => {
    const made = await hook(['reported', 'failed_analysis']);
    expect(await webhooks.find(made.id)).toEqual(made);
    expect(await webhooks.list()).toEqual([made]);
    await webhooks.disable(made.id);
    expect((await webhooks.find(made.id))?.disabledOn).toBeInstanceOf(Date);
  });

  if (kind === 'sqlite') {
    test('what is due and what is shown is found by an index', async () => {
      for (const query of [
        `SELECT webhook_id, MIN(due_on) FROM webhook_deliveries WHERE state = 'pending' GROUP BY webhook_id`,
        `SELECT * FROM webhook_deliveries WHERE state = 'pending' AND webhook_id = 1 AND due_on <= '2' ORDER BY due_on, id LIMIT 1`,
        'SELECT * FROM webhook_deliveries WHERE webhook_id = 1 AND id < 9 ORDER BY id DESC LIMIT 9',
      ]) {
        const plan = await db.query<{ detail: string }[]>(`EXPLAIN QUERY PLAN ${query}`);
        const steps = plan.map((step) => step.detail).join('; ');
        expect(steps).toMatch(/USING (COVERING )?INDEX/);
        expect(steps).not.toContain('TEMP B-TREE');
      }
    });
  } else {
    test('a webhook that is deleted at the same moment does not keep a task from ending', async () => {
      const { id: webhook } = await hook();
      const { id } = await tasks.create(aSubmission(), null);
      const deleter = db.createQueryRunner();
      await deleter.startTransaction();
      await deleter.query(`DELETE FROM webhooks WHERE id = ${webhook}`);
      const moving = tasks.move(id, 'pending', 'failed_analysis');
      await sleep(50);
      await deleter.commitTransaction();
      await deleter.release();
      expect(await moving).toBe(true);
    });
  }
});
