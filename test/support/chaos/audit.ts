import { TERMINAL, type TaskStatus } from '#domain/task.js';
import { withClient } from '../with-client.js';

/** Writes down every change of a task's status, in the transaction that makes it. */
export async function installAudit(connection: string): Promise<void> {
  await withClient(connection, async (db) => {
    await db.query('CREATE TABLE audit (n serial PRIMARY KEY, task integer, status text)');
    await db.query(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'INSERT' OR OLD.status <> NEW.status THEN
          INSERT INTO audit (task, status) VALUES (NEW.id, NEW.status);
        END IF;
        RETURN NULL;
      END $$`);
    await db.query(
      'CREATE TRIGGER note AFTER INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION note()',
    );
  });
}

/** Per task, every status it ever had, in order. */
export async function readAudit(connection: string): Promise<ReadonlyMap<number, readonly TaskStatus[]>> {
  return withClient(connection, async (db) => {
    const { rows } = await db.query<{ task: number; statuses: TaskStatus[] }>(
      'SELECT task, array_agg(status ORDER BY n) AS statuses FROM audit GROUP BY task',
    );
    return new Map(rows.map(({ task, statuses }) => [task, statuses]));
  });
}

/** Tasks that have no terminal status, more than one, or one that was left again. */
export function brokenPromises(audit: ReadonlyMap<number, readonly TaskStatus[]>): readonly string[] {
  return [...audit].flatMap(([task, statuses]) => {
    const ends = statuses.filter((status) => TERMINAL.includes(status));
    const last = statuses.at(-1);
    const kept = ends.length === 1 && last !== undefined && TERMINAL.includes(last);
    return kept ? [] : [`task ${task}: ${statuses.join(' → ')}`];
  });
}
