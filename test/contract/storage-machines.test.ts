import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { openDatabase } from '#storage/database.js';
import { Machines } from '#storage/machines.js';
import { Tasks } from '#storage/tasks.js';
import { onEachDatabase } from '../support/databases.js';
import { aMachine } from '../support/machine.js';
import { aSubmission, ON } from '../support/task.js';

onEachDatabase((fresh) => {
  let db: DataSource;
  beforeEach(async () => {
    db = await openDatabase(await fresh());
  });
  afterEach(async () => {
    await db.destroy();
  });

  test('a worker that starts again finds its machines with their ids, changed as they are now, and all free', async () => {
    const machines = new Machines(db);
    await machines.register('host/1/1', [aMachine('linux1'), aMachine('linux2')]);
    await machines.update('linux1', { locked: true, status: 'running' });
    const before = await machines.list();
    await machines.register('host/2/2', [aMachine('linux1', { tags: ['new'] }), aMachine('linux2')], {
      isGone: (worker) => worker === 'host/1/1',
      isBefore: () => false,
    });
    const after = await machines.list();
    expect(after.map(({ id, name }) => ({ id, name }))).toEqual(before.map(({ id, name }) => ({ id, name })));
    expect(after[0]).toMatchObject({ tags: ['new'], locked: false, worker: 'host/2/2' });
  });

  test('machines a worker does not have any more are gone', async () => {
    const machines = new Machines(db);
    await machines.register('host/1/1', [aMachine('linux1'), aMachine('linux2')]);
    await machines.register('host/1/1', [aMachine('linux2')]);
    expect((await machines.list()).map(({ name }) => name)).toEqual(['linux2']);
  });

  test("a second run's guest replaces the first one's", async () => {
    const tasks = new Tasks(db);
    const { id } = await tasks.create(aSubmission(), null);
    const first = await tasks.runs.claim(id, 'w', ON);
    const again = { to: 'pending', outcome: 'vm_start_failed', avoid: ['linux1'] } as const;
    expect(await tasks.runs.end(id, first?.epoch ?? 0, again)).toBe(true);
    expect((await tasks.find(id))?.guest).toMatchObject({ status: 'failed', shutdownOn: expect.any(Date) });
    const second = await tasks.runs.claim(id, 'w', { name: 'linux2', label: 'two', manager: 'qemu' });
    expect(second?.avoid).toEqual(['linux1']);
    expect((await tasks.find(id))?.guest).toMatchObject({
      ...{ name: 'linux2', label: 'two', manager: 'qemu' },
      ...{ status: 'running', startedOn: expect.any(Date), shutdownOn: null },
    });
  });
});
