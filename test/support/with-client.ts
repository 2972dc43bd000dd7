import { Client } from 'pg';

/** Runs `work` on a PostgreSQL connection of its own. */
export async function withClient<T>(connection: string, work: (db: Client) => Promise<T>): Promise<T> {
  const db = new Client({ connectionString: connection });
  await db.connect();
  try {
    return await work(db);
  } finally {
    await db.end();
  }
}
