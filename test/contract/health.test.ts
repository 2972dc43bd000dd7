import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { startPrivateRedis } from '#queue/private-redis.js';
import { VERSION } from '../../apps/version.js';
import { startApi } from '../support/api.js';
import { bearer, get, ready, readyWhen, scrape, TOKEN, TOKENS, value, work } from '../support/observe.js';
import { startPostgres } from '../support/postgres.js';

describe('GET /health', () => {
  test('is live without a token, and ready when all that an analysis needs is there', async () => {
    await using api = await startApi();
    expect(await get(api, '/health/live')).toMatchObject({ status: 200, text: '{"status":"live"}' });
    const before = await ready(api);
    expect(before).toMatchObject({ status: 503, body: { status: 'not ready' } });
    expect(before.body.checks).toMatchObject({
      database: { ok: true },
      redis: { ok: true },
      disk: { ok: true },
      rooter: { ok: true, why: 'not needed by the machinery in use' },
      machines: { ok: false, why: 'no worker gives a sign of life' },
      reconciler: { ok: false, why: 'no worker has reconciled yet' },
    });
    using a = await work(api, 'a');
    expect(await readyWhen(api, ({ status }) => status === 'ready')).toMatchObject({
      status: 200,
      body: { warnings: [] },
    });
    await api.context.machines.update(a.machine, { state: 'quarantined', reason: 'x' });
    const quarantined = await readyWhen(api, ({ status }) => status !== 'ready');
    expect(quarantined.status).toBe(503);
    expect(quarantined.body.checks?.['machines']?.why).toBe('all 1 machines are quarantined or disabled');
  });

  test('warns of workers of another version, and is ready all the same', async () => {
    await using api = await startApi();
    using _a = await work(api, 'a', '0.0.1');
    const { status, body } = await ready(api);
    expect(status).toBe(200);
    expect(body.warnings).toEqual([
      `these workers are of another version than this API, ${VERSION}: a (0.0.1)`,
    ]);
  });

  test('tells who may not read no more than whether', async () => {
    await using api = await startApi(TOKENS);
    for (const headers of [{}, bearer('a guess'), bearer('another-token-of-ours')])
      expect(await ready(api, headers)).toEqual({ status: 503, body: { status: 'not ready' } });
    const { body } = await ready(api, bearer(TOKEN));
    expect(Object.keys(body.checks ?? {})).toContain('database');
  });

  test('is not ready while Redis is away', async () => {
    await using api = await startApi();
    using _a = await work(api, 'a');
    expect((await ready(api)).status).toBe(200);
    await api.redis[Symbol.asyncDispose]();
    const away = await readyWhen(api, ({ status }) => status !== 'ready');
    expect(away.status).toBe(503);
    expect(away.body.checks).toMatchObject({
      redis: { ok: false, why: 'Redis does not answer' },
      database: { ok: true },
    });
    const seen = await scrape(api);
    expect(value(seen, 'malkoha_health', { check: 'redis' })).toBe(0);
    expect(value(seen, 'malkoha_tasks', { status: 'pending' })).toBe(0);
    expect((await get(api, '/health/live')).status).toBe(200);
    await using _back = await startPrivateRedis(api.context.home.redis, new AbortController().signal);
    expect((await readyWhen(api, ({ status }) => status === 'ready')).status).toBe(200);
  });

  test('is not ready while the database is away, and names nothing of it', async () => {
    await using server = await startPostgres();
    const connection = await server.database();
    await using api = await startApi(
      `[database]\nconnection = ${connection.replaceAll('%', '%%')}\ntimeout = 1\n`,
    );
    using _a = await work(api, 'a');
    expect((await ready(api)).status).toBe(200);
    await server.kill();
    const away = await readyWhen(api, ({ status }) => status !== 'ready');
    expect(away.status).toBe(503);
    expect(away.body.checks?.['database']?.ok).toBe(false);
    expect(JSON.stringify(away.body)).not.toMatch(/malkoha@|test1|pg-/);
    expect(value(await scrape(api), 'malkoha_health', { check: 'database' })).toBe(0);
    await server.restart();
    expect((await readyWhen(api, ({ status }) => status === 'ready')).status).toBe(200);
  });

  test('is not ready when the database takes no writes', async () => {
    await using server = await startPostgres();
    const connection = await server.database();
    await using api = await startApi(`[database]\nconnection = ${connection.replaceAll('%', '%%')}\n`);
    await api.context.db.query('ALTER DATABASE test1 SET default_transaction_read_only = on');
    await api.context.db.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()',
    );
    await api.context.db.query('SET default_transaction_read_only = on');
    const { body } = await ready(api);
    expect(body.checks?.['database']).toMatchObject({ ok: false, why: 'it does not work: 25006' });
  });

  test('is not ready when the tables are of an earlier version', async () => {
    await using api = await startApi();
    await api.context.db.query("DELETE FROM migrations WHERE name LIKE 'Scheduling%'");
    const { body } = await ready(api);
    expect(body.checks?.['database']?.why).toMatch(/^the tables are of an earlier version: Scheduling/);
  });

  test('is not ready while nothing can be stored', async () => {
    await using api = await startApi();
    using _a = await work(api, 'a');
    const { storage } = api.context.home;
    await mkdir(storage, { recursive: true });
    expect((await ready(api)).status).toBe(200);
    await rename(storage, `${storage}.away`);
    await writeFile(storage, 'no folder');
    const away = await readyWhen(api, ({ status }) => status !== 'ready');
    expect(away.status).toBe(503);
    expect(away.body.checks?.['disk']).toMatchObject({ ok: false, why: 'it does not work: ENOTDIR' });
    await rm(storage);
    await rename(`${storage}.away`, storage);
    expect((await readyWhen(api, ({ status }) => status === 'ready')).status).toBe(200);
  });

  test('is not ready with less room than freespace says', async () => {
    await using api = await startApi('[cuckoo]\nfreespace = 999999999\n');
    const { status, body } = await ready(api);
    expect(status).toBe(503);
    expect(body.checks?.['disk']?.why).toMatch(/^Only \d+ MB are free/);
  });

  test('a hundred probes are one look', async () => {
    await using api = await startApi();
    const seen = await Promise.all(Array.from({ length: 100 }, () => ready(api)));
    expect(new Set(seen.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  });
});
