import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { openDatabase } from '#storage/database.js';
import { TagRow } from '#storage/entities/tag.entity.js';
import { transaction, write } from '#storage/turns.js';
import { onEachDatabase } from '../support/databases.js';

onEachDatabase((fresh, kind) => {
  let db: DataSource;
  beforeEach(async () => {
    db = await openDatabase(await fresh());
  });
  afterEach(async () => {
    await db.destroy();
  });

  const names = async () => (await db.manager.find(TagRow)).map((tag) => tag.name).toSorted();
  const add = (name: string) => transaction(db, (one) => one.insert(TagRow, { name }));

  test('of writers that commit together one that fails is undone alone', async () => {
    const failing = transaction(db, async (one) => {
      await one.insert(TagRow, { name: 'undone' });
      throw new Error('mine alone');
    });
    const twice = [add('twice'), add('twice')];
    const others = Array.from({ length: 20 }, (_, n) => add(`t${n}`));
    const single = write(db, (one) => one.insert(TagRow, { name: 'single' }));
    const ended = await Promise.allSettled([add('first'), failing, ...twice, ...others, single]);
    expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(2);
    expect(await names()).toEqual(
      ['first', 'single', ...Array.from({ length: 20 }, (_, n) => `t${n}`), 'twice'].toSorted(),
    );
  });

  if (kind === 'postgresql') return; // there each writer has a transaction of its own

  test('nobody hears of success before the commit', async () => {
    const other = await openDatabase(`sqlite://${String(db.options.database)}`);
    try {
      const seen = await Promise.all(
        Array.from({ length: 10 }, async (_, n) => {
          await add(`t${n}`);
          return other.manager.existsBy(TagRow, { name: `t${n}` });
        }),
      );
      expect(seen).not.toContain(false);
    } finally {
      await other.destroy();
    }
  });

  test('when the disk is full, what was said to be stored is stored, and nothing else', async () => {
    const [{ page_count = 0 } = {}] = await db.query<{ page_count?: number }[]>('PRAGMA page_count');
    await db.query(`PRAGMA max_page_count = ${page_count + 4}`);
    const long = (n: number) => `${n} ${'x'.repeat(3000)}`;
    const ended = await Promise.allSettled(Array.from({ length: 30 }, (_, n) => add(long(n))));
    const stored = ended.flatMap(({ status }, n) => (status === 'fulfilled' ? [long(n)] : []));
    expect(stored.length).toBeLessThan(30);
    expect(await names()).toEqual(stored.toSorted());
    await db.query(`PRAGMA max_page_count = ${page_count + 1000}`);
    await add('room again');
    expect(await names()).toContain('room again');
  });
});
