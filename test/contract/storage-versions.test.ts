import { expect, test } from '@jest/globals';
import { openDistDatabase } from '#distribution/database.js';
import { lookAtDatabase, openDatabase } from '#storage/database.js';
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

  test('a lab and the Distributed API each need a database of their own', async () => {
    // SQLAlchemy, whose URLs the Distributed API takes, has one slash more.
    const [lab, dist] = [await fresh(), await fresh()];
    const urlOf = (connection: string) => connection.replace(/^sqlite:\/\//, 'sqlite:///');
    await (await openDatabase(lab)).destroy();
    await (await openDistDatabase(urlOf(dist), '/')).destroy();
    const refused = (owner: string) => ({
      code: 'DATABASE_TAKEN',
      message: expect.stringContaining(`${owner} needs one of its own`),
    });
    await expect(openDistDatabase(urlOf(lab), '/')).rejects.toMatchObject(refused('the Distributed API'));
    await expect(openDatabase(dist)).rejects.toMatchObject(refused('a lab'));
    await expect(lookAtDatabase(dist, 5000)).rejects.toMatchObject(refused('a lab'));
    await (await openDatabase(lab)).destroy();
  });
});
