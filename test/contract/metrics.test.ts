import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { startApi, startBeside } from '../support/api.js';
import { submit } from '../support/api-client.js';
import { bearer, get, giveLanes, OPEN, scrape, TOKEN, TOKENS, value, work } from '../support/observe.js';

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

/** What we use of Grafana's JSON. */
interface Dashboard {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
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

  test('the page, the dashboard and the alerts know each metric, and no other', async () => {
    await using api = await startApi();
    using a = await work(api, 'a');
    giveLanes(api, [{ lane: 'default', waiting: 1, oldestMs: 1 }]);
    a.metrics.outcome('completed');
    a.metrics.phase('start', 1);
    await a.metrics.push(api.context.queues.redis);
    await scrape(api); // so that a request has been counted
    const names = [...(await scrape(api))].map(([name, { type }]) =>
      type === 'counter' ? `${name}_total` : name,
    );
    const known = [
      ...names,
      ...names.flatMap((name) => ['_bucket', '_sum', '_count'].map((end) => name + end)),
    ];
    const page = await read('docs/howto/observe.md');
    const told = page.replaceAll('`…', '`malkoha_disk');
    expect(names.filter((name) => !told.includes(`\`${name}\``))).toEqual([]);
    for (const file of ['docs/grafana/malkoha.json', 'docs/grafana/alerts.yml']) {
      const text = await read(file);
      const used = [...text.matchAll(/malkoha_\w+/g)].map(([name]) => name);
      expect(used.length).toBeGreaterThan(10);
      expect(used.filter((name) => !known.includes(name))).toEqual([]);
    }
    const queries = (JSON.parse(await read('docs/grafana/malkoha.json')) as Dashboard).panels.flatMap(
      ({ targets = [] }) => targets.map(({ expr }) => expr),
    );
    const idle = names.filter((name) => !queries.some((expr) => expr.includes(name)));
    expect(idle).toEqual(['malkoha_build_info']);
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
