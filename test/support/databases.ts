import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { startPostgres, type TestPostgres } from './postgres.js';

export type DatabaseKind = 'sqlite' | 'postgresql';

/** Makes an empty database; returns its connection, as cuckoo.conf has it. */
export type FreshDatabase = () => Promise<string>;

/** Registers the same tests for SQLite and for a PostgreSQL of their own: what holds on one holds on the other. */
export function onEachDatabase(tests: (fresh: FreshDatabase, kind: DatabaseKind) => void): void {
  describe('on SQLite', () => {
    let dir: string;
    let made = 0;
    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'sqlite-'));
    });
    afterAll(() => rm(dir, { recursive: true }));
    tests(async () => `sqlite://${join(dir, `${++made}.db`)}`, 'sqlite');
  });

  describe('on PostgreSQL', () => {
    let server: TestPostgres;
    beforeAll(async () => {
      server = await startPostgres();
    });
    afterAll(async () => {
      await server[Symbol.asyncDispose]();
    });
    tests(() => server.database(), 'postgresql');
  });
}
