import { expect, test } from '@jest/globals';
import { openDatabase } from '#storage/database.js';
import { onEachDatabase } from '../support/databases.js';

onEachDatabase((fresh) => {
  test('a database that a newer version has migrated is not opened, and not changed', async () => {
    const connection = await fresh();
    const newer = await openDatabase(connection);
    await newer.query(
      "INSERT INTO migrations (timestamp, name) VALUES (1800000000099, 'Later1800000000099')",
    );
    await newer.destroy();
    await expect(openDatabase(connection)).rejects.toMatchObject({
      code: 'DATABASE_NEWER',
      message: expect.stringContaining('newer version of Malkoha (Later1800000000099)'),
      help: expect.stringContaining('Update Malkoha on this host'),
    });
    // Nothing holds a lock on it any more: whoever knows better may open it.
    await expect(openDatabase(connection)).rejects.toMatchObject({ code: 'DATABASE_NEWER' });
  });
});
