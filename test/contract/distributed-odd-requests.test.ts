import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { onEachDatabase } from '../support/databases.js';
import { startDistributed, type TestDistributed } from '../support/distributed-api.js';
import { form, say } from '../support/distributed-client.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { startScriptedNode, type ScriptedNode } from '../support/scripted-node/start.js';

const NOBODY = 'http://127.0.0.1:9/';

let redis: TestRedis;
let node: ScriptedNode;
beforeAll(async () => {
  redis = await startRedis();
  node = await startScriptedNode({ dialect: 'cuckoo' });
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

describe('requests about nodes that somebody gets wrong', () => {
  onEachDatabase((fresh) => {
    const start = async (): Promise<TestDistributed> =>
      startDistributed({ db: await fresh(), redis: redis.redis });
    const add = (api: TestDistributed, name = 'n1', url = node.url) =>
      say(api, 'POST /api/node', form({ name, url }));

    test('of two that register one URL at once, one does', async () => {
      await using api = await start();
      const both = await Promise.all([add(api, 'n1'), add(api, 'n2')]);
      expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
      const [row, ...more] = await api.context.nodes.list();
      expect(more).toEqual([]);
      const refused = both.find(({ status }) => status === 409);
      expect(refused?.body.message).toBe(`The node ${row?.name} is at ${node.url} already`);
    });

    test('a name that no node has is unknown, whatever it would be to a program', async () => {
      await using api = await start();
      await add(api);
      for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'n1%00', '%ff']) {
        const { status, body } = await say(api, `GET /node/${name}`);
        expect([name, status, body.message]).toEqual([name, 404, 'No such node']);
        const below = await say(api, `GET /api/node/${name}`);
        expect([name, below.status, below.body]).toEqual([name, 200, { success: true, nodes: {} }]);
        for (const request of ['PUT', 'DELETE', 'POST'])
          for (const end of request === 'POST' ? ['/refresh', '/remove', '/check'] : [''])
            expect((await say(api, `${request} /api/node/${name}${end}`)).body.message).toBe('No such node');
      }
    });

    test('without a body what is missing is told, and nothing changes', async () => {
      await using api = await start();
      for (const path of ['/node', '/api/node']) {
        const { status, body } = await say(api, `POST ${path}`);
        expect([status, body.message]).toEqual([404, 'Missing node name']);
      }
      await add(api);
      const before = (await say(api, 'GET /api/node')).body;
      expect((await say(api, 'PUT /node/n1')).body).toBeNull();
      expect((await say(api, 'PUT /api/node/n1')).body).toEqual({ success: true });
      expect((await say(api, 'GET /api/node')).body).toEqual(before);
      expect((await say(api, 'PUT /api/node/n2')).status).toBe(404);
    });

    test('a token is not sent to another server because its node has moved', async () => {
      const token = 's3cret-of-the-node';
      await using locked = await startScriptedNode({ dialect: 'malkoha', token });
      await using moved = await startScriptedNode({ dialect: 'malkoha', token });
      await using open = await startScriptedNode({ dialect: 'cuckoo' });
      await using api = await start();
      await say(api, 'POST /api/node', form({ name: 'n1', url: locked.url, token }));
      for (const url of [moved.url, `https${locked.url.slice(4)}`, NOBODY]) {
        const { status, body } = await say(api, 'PUT /api/node/n1', form({ url }));
        expect([status, body.message]).toEqual([
          400,
          expect.stringContaining('The token of n1 was given for'),
        ]);
      }
      expect((await api.context.nodes.find('n1'))?.url).toBe(locked.url);
      expect((await say(api, 'PUT /api/node/n1', form({ url: moved.url, token }))).status).toBe(200);
      expect(await api.context.nodes.find('n1')).toMatchObject({ url: moved.url, token });
      // The same server, at another path: it is asked, and there is nothing.
      expect((await say(api, 'PUT /api/node/n1', form({ url: `${moved.url}lab/` }))).status).toBe(404);
      expect((await say(api, 'PUT /api/node/n1', form({ url: open.url, token: '' }))).status).toBe(200);
      expect(await api.context.nodes.find('n1')).toMatchObject({ url: open.url, token: null });
      expect((await say(api, 'PUT /api/node/n1', form({ url: node.url }))).status).toBe(200);
    });
  });
});
