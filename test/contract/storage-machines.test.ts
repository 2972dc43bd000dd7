import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import type { Machine } from '#domain/machine.js';
import { openDatabase } from '#storage/database.js';
import { Machines } from '#storage/machines.js';
import { Tasks } from '#storage/tasks.js';
import { aSubmission } from '../support/task.js';
import { onEachDatabase } from '../support/databases.js';

onEachDatabase((fresh) => {
  let db: DataSource;
  beforeEach(async () => {
    db = await openDatabase(await fresh());
  });
  afterEach(async () => {
    await db.destroy();
  });

  const machine = (name: string, tags: readonly string[] = []): Machine => ({
    name,
    label: name,
    platform: 'linux',
    tags,
    ip: '10.0.2.15',
    resultServer: { ip: '10.0.2.2', port: 2042 },
    arch: 'x64',
    reserved: false,
    snapshot: null,
  });

  test('a worker that starts again finds its machines with their ids, changed as they are now, and all free', async () => {
    const machines = new Machines(db);
    await machines.register('host/1/1', [machine('linux1'), machine('linux2')]);
    await machines.update('linux1', { locked: true, status: 'running' });
    const before = await machines.list();
    await machines.register(
      'host/2/2',
      [machine('linux1', ['new']), machine('linux2')],
      (worker) => worker === 'host/1/1',
    );
    const after = await machines.list();
    expect(after.map(({ id, name }) => ({ id, name }))).toEqual(before.map(({ id, name }) => ({ id, name })));
    expect(after[0]).toMatchObject({ tags: ['new'], locked: false, worker: 'host/2/2' });
  });

  test('machines a worker does not have any more are gone', async () => {
    const machines = new Machines(db);
    await machines.register('host/1/1', [machine('linux1'), machine('linux2')]);
    await machines.register('host/1/1', [machine('linux2')]);
    expect((await machines.list()).map(({ name }) => name)).toEqual(['linux2']);
  });

  test("a second run's guest replaces the first one's", async () => {
    const tasks = new Tasks(db);
    const { id } = await tasks.create(aSubmission(), null);
    const guest = {
      label: 'x',
      manager: 'qemu',
      status: 'running',
      startedOn: new Date(1000),
      shutdownOn: null,
    } as const;
    await tasks.putGuest(id, { ...guest, name: 'linux1' });
    await tasks.guestStatus(id, 'failed');
    await tasks.putGuest(id, { ...guest, name: 'linux2' });
    expect((await tasks.find(id))?.guest).toMatchObject({
      name: 'linux2',
      status: 'running',
      shutdownOn: null,
    });
  });
});
