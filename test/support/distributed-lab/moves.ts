import { openDistDatabase } from '#distribution/database.js';
import type { DistState } from '#distribution/task.js';
import { withClient } from '../with-client.js';

/** A distributed task as it was after one of its moves. */
export interface Move {
  readonly state: DistState;
  readonly mark: string;
  readonly node: number | null;
  readonly remote: number | null;
  readonly attempts: number;
  readonly reason: string | null;
  readonly at: string;
}

/** Makes the tables, and writes down every move of a task in the transaction that makes it. */
export async function installMoves(connection: string): Promise<void> {
  const tables = await openDistDatabase(connection, '/');
  await tables.destroy();
  await withClient(connection, async (db) => {
    await db.query(
      'CREATE TABLE moves (n serial PRIMARY KEY, task integer, state text, mark text, node integer, ' +
        'remote integer, attempts integer, reason text, at timestamptz DEFAULT clock_timestamp())',
    );
    await db.query(`CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'INSERT' OR OLD.state <> NEW.state OR OLD.mark <> NEW.mark THEN
          INSERT INTO moves (task, state, mark, node, remote, attempts, reason)
          VALUES (NEW.id, NEW.state, NEW.mark, NEW.node_id, NEW.remote_id, NEW.attempts, NEW.reason);
        END IF;
        RETURN NULL;
      END $$`);
    await db.query(
      'CREATE TRIGGER note_move AFTER INSERT OR UPDATE ON dist_tasks FOR EACH ROW EXECUTE FUNCTION note_move()',
    );
  });
}

/** Per task, its moves, in order. */
export async function readMoves(connection: string): Promise<ReadonlyMap<number, readonly Move[]>> {
  return withClient(connection, async (db) => {
    const { rows } = await db.query<Move & { task: number }>('SELECT * FROM moves ORDER BY n');
    const tasks = new Map<number, Move[]>();
    for (const row of rows) tasks.set(row.task, [...(tasks.get(row.task) ?? []), row]);
    return tasks;
  });
}

/** For people: `pending → assigned@2 → …`. */
export function told(moves: readonly Move[]): string {
  return moves
    .map(({ state, node, remote, reason }) => {
      const where = node === null ? '' : `@${node}${remote === null ? '' : `#${remote}`}`;
      return `${state}${where}${reason === null ? '' : ` (${reason})`}`;
    })
    .join(' → ');
}
