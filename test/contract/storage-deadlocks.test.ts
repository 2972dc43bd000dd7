import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DataSource, EntityManager } from 'typeorm';
import { openDatabase } from '#storage/database.js';
import { insertTask } from '#storage/insert-task.js';
import { storeItems } from '../../apps/api/tasks/submit-store.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { aSubmission, aTask } from '../support/task.js';

let server: TestPostgres;
let db: DataSource;

// On SQLite writers take turns. A block of its own: its end comes before the look for what was left behind.
describe('on PostgreSQL', () => {
  beforeEach(async () => {
    server = await startPostgres();
    db = await openDatabase(await server.database());
  });
  afterEach(async () => {
    await db.destroy();
    await server[Symbol.asyncDispose]();
  });

  test.each([
    ['tags', withTags],
    ['files', withFiles],
  ])(
    'requests that bring the same new %s in another order do not wait for each other',
    async (_what, bring) => {
      const both: Promise<unknown>[] = [];
      await db.transaction(async (inside) => {
        await bring('b')(inside);
        both.push(db.transaction(bring('a', 'b', 'c')));
        await waiters(1);
        both.push(db.transaction(bring('c', 'a')));
        await waiters(2);
      });
      const ends = await Promise.allSettled(both);
      expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    },
  );
});

type Work = (inside: EntityManager) => Promise<unknown>;

function withTags(...tags: readonly string[]): Work {
  return (inside) => insertTask(inside, aSubmission({ tags }), { sampleId: null });
}

function withFiles(...names: readonly string[]): Work {
  const items = names.map((name) => ({ category: 'file' as const, sent: { name, sample: sampleOf(name) } }));
  return (inside) => storeItems(inside, { items, errors: [], wanted: aSubmission(), unique: 'any' });
}

/** Another content for each name. */
function sampleOf(name: string) {
  const { sample } = aTask();
  if (sample === null) throw new Error('a file has a sample');
  const { id: _id, ...facts } = sample;
  return { ...facts, sha256: name.repeat(64) };
}

/** Until so many sessions wait for another one's end. */
async function waiters(n: number): Promise<void> {
  for (;;) {
    const rows = await db.query<unknown[]>(
      `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
    );
    if (rows.length === n) return;
    await sleep(20);
  }
}
