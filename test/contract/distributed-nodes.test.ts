import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { onEachDatabase } from '../support/databases.js';
import { given } from '../support/dist-task.js';
import { startDistributed, type TestDistributed } from '../support/distributed-api.js';
import { form, process, say, submitFile } from '../support/distributed-client.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { startScriptedNode, type ScriptedNode } from '../support/scripted-node/start.js';

const MACHINES = [
  { name: 'm0', platform: 'linux', tags: ['x'] },
  { name: 'm1', platform: 'windows', tags: ['a', 'b'] },
];
const VIEWS = MACHINES.map(({ name, platform, tags }) => ({ name, platform, tags }));
const NOBODY = 'http://127.0.0.1:9/';

let redis: TestRedis;
let node: ScriptedNode;
beforeAll(async () => {
  redis = await startRedis();
  node = await startScriptedNode({ dialect: 'cuckoo', machines: MACHINES });
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

describe('the nodes of the Distributed API', () => {
  onEachDatabase((fresh) => {
    const start = async (): Promise<TestDistributed> =>
      startDistributed({ db: await fresh(), redis: redis.redis });
    const add = (api: TestDistributed, name = 'n1', url = node.url) =>
      say(api, 'POST /api/node', form({ name, url }));

    test('a node is registered, listed and told of in both presentations', async () => {
      await using api = await start();
      expect(await say(api, 'POST /node', form({ name: 'n1', url: node.url }))).toMatchObject({
        status: 200,
        body: { name: 'n1', machines: VIEWS },
      });
      expect(api.rung).toEqual(['nodes']);
      const view = { name: 'n1', url: node.url, machines: VIEWS };
      const more = { ...view, enabled: true, mode: 'normal', dialect: 'cuckoo', has_token: false };
      expect((await say(api, 'GET /node')).body).toEqual({ nodes: { n1: expect.objectContaining(view) } });
      expect((await say(api, 'GET /node/n1')).body).toMatchObject(view);
      const { body } = await say(api, 'GET /api/v1/node');
      expect(body).toMatchObject({ success: true, nodes: { n1: more } });
      expect(body.nodes.n1).toMatchObject({
        last_seen: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
        last_error: null,
        retry_on: null,
        tasks: { assigned: 0, processing: 0 },
        removals: 0,
      });
      expect((await say(api, 'GET /api/node/n1')).body).toEqual(body);
      expect((await say(api, 'GET /api/node/n2')).body).toEqual({ success: true, nodes: {} });
      expect(await say(api, 'GET /node/n2')).toMatchObject({
        status: 404,
        body: { message: 'No such node', status: 404 },
      });
    });

    test('below /api a new node is answered with its machines as they are there', async () => {
      await using api = await start();
      const { status, body } = await add(api);
      expect(status).toBe(200);
      expect(Object.keys(body)).toEqual(['success', 'machines']);
      const raw = await (await fetch(`${node.url}machines/list`)).json();
      expect(body.machines).toEqual((raw as { machines: unknown }).machines);
    });

    test('what is missing or there already is told in the words of 2.0.7', async () => {
      await using api = await start();
      const refused = async (fields: Record<string, string>) => {
        const { status, body } = await say(api, 'POST /api/node', form(fields));
        return [status, body];
      };
      expect(await refused({ url: node.url })).toEqual([
        404,
        { success: false, message: 'Missing node name' },
      ]);
      expect(await refused({ name: 'n1' })).toEqual([
        404,
        { success: false, message: 'Missing IP address or direct URL' },
      ]);
      await add(api);
      expect(await refused({ name: 'n1', url: 'http://127.0.0.1:1/' })).toEqual([
        409,
        { success: false, message: 'There is already a node with this name' },
      ]);
      expect(await refused({ name: 'n2', url: node.url.replace(/\/$/, '') })).toEqual([
        409,
        { success: false, message: `The node n1 is at ${node.url} already` },
      ]);
    });

    test('nothing is stored of what does not answer as a node does', async () => {
      await using api = await start();
      const root = await say(api, 'POST /node', form({ name: 'n1', url: NOBODY }));
      expect(root.status).toBe(404);
      expect(root.body.message).toMatch(/^Invalid Cuckoo node \(n1\): .*ECONNREFUSED/);
      const below = await say(api, 'POST /api/node', form({ name: 'n1', url: NOBODY }));
      expect(below.status).toBe(404);
      expect(below.body.message).toMatch(/^Error connecting to Cuckoo node: .*ECONNREFUSED/);
      // Itself: an API, but no node.
      expect((await say(api, 'POST /node', form({ name: 'n1', url: `${api.url}/` }))).status).toBe(404);
      expect((await say(api, 'GET /api/node')).body.nodes).toEqual({});
      expect(api.rung).toEqual([]);
    });

    test('of two that register one name at once, one does', async () => {
      await using other = await startScriptedNode({ dialect: 'cuckoo' });
      await using api = await start();
      const both = await Promise.all([add(api), add(api, 'n1', other.url)]);
      expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
      expect(await api.context.nodes.list()).toHaveLength(1);
    });

    test('ip means port 8090 there', async () => {
      await using api = await start();
      const { body } = await say(api, 'POST /node', form({ name: 'n1', ip: '127.0.0.77' }));
      expect(body.message).toMatch(/127\.0\.0\.77:8090/);
    });

    test('a token is sent to the node, and never shown', async () => {
      await using locked = await startScriptedNode({ dialect: 'malkoha', token: 's3cret-of-the-node' });
      await using api = await start();
      const without = await add(api, 'n1', locked.url);
      expect([without.status, without.body.message]).toEqual([
        404,
        expect.stringMatching(/^Error connecting to Cuckoo node: .*401/),
      ]);
      const asked = await fetch(`${api.url}/api/node`, {
        method: 'POST',
        headers: { accept: 'application/problem+json' },
        body: new URLSearchParams({ name: 'n1', url: locked.url }),
      });
      expect(await asked.json()).toMatchObject({ status: 404, code: 'NODE_DENIED' });
      const given = form({ name: 'n1', url: locked.url, token: 's3cret-of-the-node' });
      expect((await say(api, 'POST /api/node', given)).status).toBe(200);
      const { body } = await say(api, 'GET /api/node');
      expect(body.nodes.n1).toMatchObject({ has_token: true, dialect: 'malkoha' });
      expect(JSON.stringify(body)).not.toContain('s3cret');
      const wrong = await say(api, 'PUT /api/node/n1', form({ token: 'another-one' }));
      expect(wrong.status).toBe(404);
      expect((await api.context.nodes.find('n1'))?.token).toBe('s3cret-of-the-node');
      expect((await say(api, 'PUT /api/node/n1', form({ token: '' }))).status).toBe(404);
      // The node's token is not for whoever listens at another address.
      const moved = await say(api, 'PUT /api/node/n1', form({ url: node.url }));
      expect([moved.status, moved.body.message]).toEqual([
        400,
        expect.stringMatching(/^The token of n1 was/),
      ]);
      expect((await say(api, 'PUT /api/node/n1', form({ url: node.url, token: '' }))).status).toBe(200);
      expect((await api.context.nodes.find('n1'))?.token).toBeNull();
      expect(api.log.join()).not.toContain('s3cret');
    });

    test('PUT changes what it is given', async () => {
      await using other = await startScriptedNode({
        dialect: 'cape',
        machines: [{ name: 'w1', platform: 'windows' }],
      });
      await using api = await start();
      await add(api);
      expect((await say(api, 'PUT /node/n1', form({ enabled: '0', mode: 'manual' }))).body).toBeNull();
      expect((await say(api, 'GET /api/node')).body.nodes.n1).toMatchObject({
        enabled: false,
        mode: 'manual',
      });
      // The founding document lists those that are enabled.
      expect((await say(api, 'GET /node')).body).toEqual({ nodes: {} });
      expect((await say(api, 'PUT /api/node/n1', form({ name: 'n2', enabled: '1' }))).body).toEqual({
        success: true,
      });
      expect((await say(api, 'PUT /api/node/n2', form({ url: NOBODY }))).status).toBe(404);
      expect((await say(api, 'GET /node/n2')).body).toMatchObject({ url: node.url, enabled: true });
      expect((await say(api, 'PUT /api/node/n2', form({ url: other.url }))).status).toBe(200);
      expect((await say(api, 'GET /node/n2')).body).toMatchObject({
        url: other.url,
        dialect: 'cape',
        machines: [{ name: 'w1', platform: 'windows', tags: [] }],
      });
      await add(api, 'n1');
      expect((await say(api, 'PUT /api/node/n1', form({ name: 'n2' }))).status).toBe(409);
      expect((await say(api, 'PUT /api/node/n3', form({ enabled: '1' }))).body).toEqual({
        success: false,
        message: 'No such node',
      });
    });

    test('DELETE only disables', async () => {
      await using api = await start();
      await add(api);
      expect((await say(api, 'DELETE /node/n1')).body).toBeNull();
      expect((await say(api, 'GET /node/n1')).body).toMatchObject({ enabled: false });
      expect((await say(api, 'DELETE /api/node/n1')).body).toEqual({ success: true });
      expect((await say(api, 'DELETE /node/n2')).status).toBe(404);
    });

    test('refresh: one stays, one has other tags, one vanished, one is new (vector 19)', async () => {
      await using api = await start();
      await using first = await startScriptedNode({
        dialect: 'cuckoo',
        machines: ['m0', 'm1', 'm2'].map((name) => ({ name, tags: ['old'] })),
      });
      await add(api, 'n1', first.url);
      const rows = await api.context.nodes.machines();
      await first.stop();
      await using second = await startScriptedNode({
        dialect: 'cuckoo',
        port: first.port,
        machines: [
          { name: 'm0', tags: ['old'] },
          { name: 'm1', tags: ['new'] },
          { name: 'new0', tags: [] },
        ],
      });
      const { body } = await say(api, 'POST /api/node/n1/refresh');
      const raw = (await (await fetch(`${second.url}machines/list`)).json()) as { machines: unknown };
      expect(body).toEqual({ success: true, machines: raw.machines });
      const after = await api.context.nodes.machines();
      expect(after.map(({ name, tags }) => [name, tags])).toEqual([
        ['m0', ['old']],
        ['m1', ['new']],
        ['new0', []],
      ]);
      expect(after.slice(0, 2).map(({ id }) => id)).toEqual(rows.slice(0, 2).map(({ id }) => id));
      const all = await api.context.db.query<unknown[]>(
        `SELECT node_id FROM node_machines WHERE name = 'm2'`,
      );
      expect(all).toEqual([{ node_id: null }]);
      await second.stop();
      const away = await say(api, 'POST /api/v1/node/n1/refresh');
      expect([away.status, away.body.success]).toEqual([404, false]);
      expect(await api.context.nodes.machines()).toEqual(after);
      expect((await say(api, 'POST /api/node/n2/refresh')).body.message).toBe('No such node');
    });

    test('a node with tasks is removed by force only, and they wait for another one', async () => {
      await using api = await start();
      await add(api);
      const id = (await api.context.nodes.find('n1'))?.id ?? 0;
      const first = await submitFile(api, 'one');
      const pinned = await submitFile(api, 'two', { node: 'n1' });
      await process(api, first, id, 7);
      const { nodes } = (await say(api, 'GET /api/node')).body;
      expect(nodes['n1']?.['tasks']).toEqual({ assigned: 1, processing: 1, waiting: 1 });
      expect((await say(api, 'GET /metrics')).body).toMatch(/^malkoha_node_tasks\{.*"waiting".*\} 1$/m);
      const busy = await say(api, 'POST /api/node/n1/remove');
      expect([busy.status, busy.body.message]).toEqual([
        409,
        expect.stringMatching(/^The node n1 has a task: /),
      ]);
      await api.context.tasks.move(given(await api.context.tasks.find(first)), 'pending');
      const waited = await say(api, 'POST /node/n1/remove');
      expect([waited.status, waited.body.message]).toEqual([
        409,
        expect.stringMatching(/^A task waits for the node n1 only: /),
      ]);
      await process(api, first, id, 8);
      expect((await say(api, 'POST /api/node/n1/remove', form({ force: '1' }))).body).toEqual({
        success: true,
        failed: 1,
      });
      expect(api.log.filter((line) => line.startsWith('warn: node n1 was removed: a task '))).toHaveLength(1);
      const { sha256 } = given(await api.context.tasks.find(pinned));
      expect(await readdir(api.context.settings.samplesDirectory)).not.toContain(sha256);
      const { body } = await say(api, 'GET /api/task');
      expect(body.tasks[first]).toMatchObject({
        status: 'pending',
        node_id: null,
        reason: 'node n1 was removed',
      });
      expect(body.tasks[pinned]).toMatchObject({ status: 'failed', reason: expect.stringContaining('n1') });
      expect((await say(api, 'GET /api/node')).body.nodes).toEqual({});
      expect((await say(api, 'POST /api/node/n1/remove')).status).toBe(404);
    });

    test('?mode=workers is text: the names of those that are enabled', async () => {
      await using api = await start();
      await add(api);
      await api.context.nodes.add(
        {
          name: 'n2',
          url: 'http://127.0.0.2/',
          token: null,
          dialect: 'cuckoo',
          mode: 'normal',
          enabled: true,
        },
        [],
      );
      const { headers, body } = await say(api, 'GET /api/node?mode=workers');
      expect([headers.get('content-type'), body]).toEqual(['text/plain; charset=utf-8', 'n1 n2']);
      await say(api, 'DELETE /node/n2');
      expect((await say(api, 'GET /node?mode=workers')).body).toBe('n1');
      // As with 2.0.7: any other mode is none.
      for (const mode of ['other', '', 'workers&mode=workers'])
        expect((await say(api, `GET /node?mode=${mode}`)).body).toMatchObject({ nodes: { n1: {} } });
    });
  });
});
