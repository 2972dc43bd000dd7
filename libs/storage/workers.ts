import { In, type DataSource } from 'typeorm';
import { WorkerRow } from './entities/worker.entity.js';
import { write } from './turns.js';

/** Worker processes and their signs of life. */
export class Workers {
  constructor(private readonly db: DataSource) {}

  /** A process that begins, or that was taken for gone. */
  async register(worker: Pick<WorkerRow, 'id' | 'name' | 'host' | 'version'>): Promise<void> {
    const now = new Date();
    await write(this.db, (db) =>
      db.insert(WorkerRow, { ...worker, startedOn: now, heartbeatOn: now, paused: null, draining: false }),
    );
  }

  /** Says that it lives, and why it takes no task (null: it does). Answers what is wanted of it; null: it has no row. */
  async beat(id: string, paused: string | null): Promise<{ readonly draining: boolean } | null> {
    await write(this.db, (db) => db.update(WorkerRow, { id }, { heartbeatOn: new Date(), paused }));
    const select = { id: true, draining: true } as const;
    return this.db.manager.findOne(WorkerRow, { select, where: { id } });
  }

  async list(): Promise<WorkerRow[]> {
    return this.db.manager.find(WorkerRow, { order: { name: 'ASC', startedOn: 'ASC' } });
  }

  /** Asks the processes of this name to end after the tasks they run. False: there is none. */
  async drain(name: string): Promise<boolean> {
    const { affected } = await write(this.db, (db) => db.update(WorkerRow, { name }, { draining: true }));
    return (affected ?? 0) > 0;
  }

  /** Those that have ended. */
  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await write(this.db, (db) => db.delete(WorkerRow, { id: In([...ids]) }));
  }
}
