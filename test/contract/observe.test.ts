import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { startPrivateRedis } from '#queue/private-redis.js';
import type { LaneDepth } from '../../apps/api/metrics/lanes.js';
import { WorkerMetrics } from '../../apps/metrics/worker-metrics.js';
import { VERSION } from '../../apps/version.js';
import { startApi, startBeside, type TestApi } from '../support/api.js';
import { submit } from '../support/api-client.js';
import { parseOpenMetrics, type Family } from '../support/openmetrics.js';
import { startPostgres } from '../support/postgres.js';
import { LINUX1 } from './rest-api/world.js';

const OPEN = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
const TOKEN = 'a-token-that-may-read';
const TOKENS = `[tokens]\nscraper = read ${TOKEN}\nmail = submit another-token-of-ours\n`;

async function get(api: TestApi, path: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${api.url}${path}`, { headers });
  const text = await answer.text();
  return { status: answer.status, type: answer.headers.get('content-type'), text };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

interface Ready {
  readonly status: string;
  readonly checks?: Readonly<
    Record<string, { readonly ok: boolean; readonly ms: number; readonly why?: string }>
  >;
  readonly warnings?: readonly string[];
}

async function ready(api: TestApi, headers?: Record<string, string>) {
  const { status, text } = await get(api, '/health/ready', headers);
  return { status, body: JSON.parse(text) as Ready };
}

/** Asks until it is so: what was looked at is told again for a second. */
async function readyWhen(api: TestApi, isSo: (body: Ready) => boolean) {
  for (;;) {
    const answer = await ready(api);
    if (isSo(answer.body)) return answer;
    await sleep(100);
  }
}

async function scrape(api: TestApi): Promise<ReadonlyMap<string, Family>> {
  const { status, text } = await get(api, '/metrics', { accept: OPEN });
  expect(status).toBe(200);
  return parseOpenMetrics(text);
}

function value(
  families: ReadonlyMap<string, Family>,
  family: string,
  labels: Readonly<Record<string, string>> = {},
) {
  const samples = families.get(family)?.samples ?? [];
  return samples.find((one) => Object.entries(labels).every(([name, wanted]) => one.labels[name] === wanted))
    ?.value;
}

/** A worker that lives, with one machine; what it counts is pushed. */
async function work(api: TestApi, name: string, version = VERSION) {
  const { context } = api;
  const id = `${name}/host/1/7`;
  await context.workers.register({ id, name, host: 'host', version });
  await context.machines.register(id, [{ ...LINUX1, name: `${name}-linux1`, label: `${name}-linux1` }]);
  await context.machines.update(`${name}-linux1`, { state: 'ready' });
  const metrics = new WorkerMetrics({ id, name });
  metrics.reconciled({ enqueued: [], takenBack: [], failed: [] });
  await metrics.push(context.queues.redis);
  return {
    machine: `${name}-linux1`,
    metrics,
    [Symbol.dispose]: () => metrics[Symbol.dispose](),
  };
}

function giveLanes(api: TestApi, depths: readonly LaneDepth[]): void {
  Object.defineProperty(api.context.queues, 'lanes', { value: { depths: async () => depths } });
}

describe('GET /metrics', () => {
  test('is OpenMetrics for who asks for it, with what all processes of the lab count', async () => {
    await using api = await startApi();
    using a = await work(api, 'a');
    using b = await work(api, 'b');
    await submit(api, 'a.sh', 'id');
    await fetch(`${api.url}/tasks/view/1`);
    await fetch(`${api.url}/tasks/view/2`);
    await fetch(`${api.url}/no/such/path`);
    a.metrics.outcome('completed');
    b.metrics.outcome('completed');
    for (const { metrics } of [a, b]) await metrics.push(api.context.queues.redis);
    await api.context.machines.update(b.machine, { state: 'quarantined', reason: 'x' });

    const { type } = await get(api, '/metrics', { accept: OPEN });
    expect(type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    const seen = await scrape(api);
    expect(value(seen, 'malkoha_outcomes', { outcome: 'completed' })).toBe(2);
    expect(value(seen, 'malkoha_tasks', { status: 'pending' })).toBe(1);
    expect(value(seen, 'malkoha_machines', { state: 'ready' })).toBe(1);
    expect(value(seen, 'malkoha_machines', { state: 'quarantined' })).toBe(1);
    expect(value(seen, 'malkoha_workers', { state: 'active' })).toBe(2);
    expect(value(seen, 'malkoha_health', { check: 'database' })).toBe(1);
    expect(value(seen, 'malkoha_processing_jobs', { state: 'waiting' })).toBe(0);
    expect(value(seen, 'malkoha_disk_free_bytes')).toBeGreaterThan(0);
    expect(value(seen, 'malkoha_reconciler_age_seconds')).toBeGreaterThanOrEqual(0);
    for (const labels of [{ process: 'api' }, { worker: 'a' }, { worker: 'b' }])
      expect(
        value(seen, 'malkoha_event_loop_lag_seconds', { ...labels, stat: 'p99' }),
      ).toBeGreaterThanOrEqual(0);
    const requests = seen.get('malkoha_http_request_seconds')?.samples ?? [];
    const counted = requests
      .filter(({ name }) => name.endsWith('_count'))
      .map(({ labels: { route, method, status }, value: n }) => [route, method, status, n].join(' '));
    expect(counted).toEqual(
      expect.arrayContaining([
        '/tasks/create/file POST 2xx 1',
        '/tasks/view/:id GET 2xx 1',
        '/tasks/view/:id GET 4xx 1',
        'none none 4xx 1',
      ]),
    );
  });

  test('is the text format 0.0.4 for who asks for nothing else', async () => {
    await using api = await startApi();
    for (const accept of [
      '*/*',
      'text/plain',
      'application/openmetrics-text;version=2.0.0',
      `${OPEN.split(',')[0] ?? ''};q=0`,
    ]) {
      const { type, text } = await get(api, '/metrics', { accept });
      expect(type).toBe('text/plain; version=0.0.4; charset=utf-8');
      expect(text).toContain('\n# TYPE malkoha_tasks gauge\n');
      expect(text).not.toContain('# EOF');
    }
  });

  test('lane names are hostile', async () => {
    await using api = await startApi();
    const lanes = [
      'default',
      'x"} 1\nmalkoha_ready 0\n',
      'back\\slash\\n',
      'nul\u0000esc\u001b[2J',
      '"',
      'ünï😀',
      '\ud800',
      '# EOF\n',
      ...Array.from({ length: 200 }, (_, n) => `tags=${n}${'t'.repeat(500)}`),
    ];
    giveLanes(
      api,
      lanes.map((lane, n) => ({ lane, waiting: 1000 - n, oldestMs: n * 1000 })),
    );
    const seen = await scrape(api);
    const depths = seen.get('malkoha_queue_depth')?.samples ?? [];
    expect(depths).toHaveLength(101);
    expect(depths.reduce((sum, one) => sum + one.value, 0)).toBe(
      lanes.reduce((sum, _, n) => sum + 1000 - n, 0),
    );
    expect(depths.slice(0, 3).map(({ labels }) => labels['lane'])).toEqual([
      'default',
      'x"} 1\ufffdmalkoha_ready 0\ufffd',
      'back\\slash\\n',
    ]);
    expect(value(seen, 'malkoha_queue_oldest_seconds', { lane: 'default' })).toBe(0);
    expect(value(seen, 'malkoha_queue_oldest_seconds', { lane: 'other' })).toBe(lanes.length - 1);
    expect(value(seen, 'malkoha_ready')).toBe(0);
  });

  test('counts the event streams that are open', async () => {
    await using api = await startApi();
    const gone = new AbortController();
    await fetch(`${api.url}/tasks/events`, { signal: gone.signal });
    expect(value(await scrape(api), 'malkoha_event_streams')).toBe(1);
    gone.abort();
    while (value(await scrape(api), 'malkoha_event_streams') !== 0) await sleep(10);
    const routes = (await scrape(api)).get('malkoha_http_request_seconds')?.samples ?? [];
    expect(routes.filter(({ labels }) => labels['route'] === '/tasks/events')).toEqual([]);
  });

  test('needs a token that may read, where tokens are set, and is not counted by the rate limit', async () => {
    await using api = await startApi(`[api]\nrate_limit = 3\n${TOKENS}`);
    for (let n = 0; n < 10; n += 1) {
      expect((await get(api, '/metrics', bearer(TOKEN))).status).toBe(200);
      expect((await get(api, '/health/live')).status).toBe(200);
    }
    expect((await get(api, '/metrics', bearer('another-token-of-ours'))).status).toBe(403);
    expect((await get(api, '/metrics')).status).toBe(401);
    expect((await get(api, '/metrics', bearer('a guess'))).status).toBe(401);
    // But guesses of tokens are counted.
    expect((await get(api, '/metrics', bearer('a guess'))).status).toBe(401);
    expect((await get(api, '/metrics', bearer('a guess'))).status).toBe(429);
  });

  test('of two that read at once, and after one has started again, each tells the same counts', async () => {
    await using api = await startApi();
    await using beside = await startBeside(api);
    using a = await work(api, 'a');
    a.metrics.outcome('completed');
    await a.metrics.push(api.context.queues.redis);
    const both = await Promise.all([scrape(api), scrape(beside)]);
    expect(both.map((seen) => value(seen, 'malkoha_outcomes', { outcome: 'completed' }))).toEqual([1, 1]);
  });
});

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
