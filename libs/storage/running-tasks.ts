import type { DataSource } from 'typeorm';

/** The task that each machine runs, by the machine's name: few rows, found by the index of statuses. */
export async function tasksOnMachines(db: DataSource): Promise<ReadonlyMap<string, number>> {
  const rows = await db.query<{ name: string; id: number }[]>(
    `SELECT guests.name AS name, tasks.id AS id FROM tasks
     JOIN guests ON guests.task_id = tasks.id WHERE tasks.status = 'running'`,
  );
  return new Map(rows.map(({ name, id }) => [name, id]));
}
