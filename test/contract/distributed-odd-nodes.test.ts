import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startDistributed, type TestDistributed } from '../support/distributed-api.js';
import { form, say } from '../support/distributed-client.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { startScriptedNode } from '../support/scripted-node/start.js';

const NOBODY = 'http://127.0.0.1:9/';

const BAD: readonly (readonly [fields: Readonly<Record<string, string>>, says: RegExp])[] = [
  [{ url: 'http://169.254.169.254/' }, /link-local/],
  [{ ip: '169.254.169.254' }, /link-local/],
  [{ url: 'http://[fe80::1]:8090/' }, /link-local/],
  [{ url: 'http://[::ffff:169.254.169.254]/' }, /link-local/],
  [{ url: 'ftp://10.0.0.5/' }, /http/],
  [{ url: 'http://me:secret@10.0.0.5/' }, /token/],
  [{ url: 'http://10.0.0.5/?x=1' }, /query/],
  [{ ip: '10.0.0.5/../x' }, /"ip"/],
  [{ url: NOBODY, name: 'a/b' }, /"name"/],
  [{ url: NOBODY, name: '..' }, /"name"/],
  [{ url: NOBODY, name: 'x'.repeat(65) }, /"name"/],
  [{ url: NOBODY, dialect: 'cuckoo3' }, /malkoha, cuckoo, cape/],
  [{ url: NOBODY, mode: 'two words' }, /"mode"/],
  [{ url: NOBODY, enabled: 'perhaps' }, /"enabled"/],
  [{ url: NOBODY, token: 'a\r\nb' }, /"token"/],
];

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
});

const start = (answerMs?: number): Promise<TestDistributed> =>
  startDistributed({
    db: 'sqlite:///dist.db',
    redis: redis.redis,
    ...(answerMs !== undefined && { answerMs }),
  });
const add = (api: TestDistributed, url: string) => say(api, 'POST /api/node', form({ name: 'n1', url }));

describe('the Distributed API stores nothing of', () => {
  test('what does not answer as a node does', async () => {
    await using odd = await startScriptedNode({ dialect: 'cuckoo' });
    await using api = await start();
    for (const knob of [
      'html',
      'status500',
      'wrongJson',
      'notJson',
      'redirect',
      'endless',
      'tooMany',
      'hang',
    ] as const) {
      for (const endpoint of ['status', 'machines'] as const) {
        odd.knobs[knob] = [endpoint];
        const { status, body } = await add(api, odd.url);
        expect([knob, endpoint, status, body.message]).toEqual([
          ...[knob, endpoint, 404, expect.stringMatching(/^Error connecting to Cuckoo node: .{20}/)],
        ]);
        odd.knobs[knob] = [];
      }
    }
    expect(await api.context.nodes.list()).toEqual([]);
    expect((await add(api, odd.url)).status).toBe(200);
  });

  test('what takes the request, and never answers', async () => {
    await using hanging = await startScriptedNode({ dialect: 'cuckoo', knobs: { hang: ['status'] } });
    await using api = await start(300);
    const { status, body } = await add(api, hanging.url);
    expect([status, body.message]).toEqual([
      404,
      expect.stringMatching(/^Error connecting to Cuckoo node: .{20}/),
    ]);
    expect(await api.context.nodes.list()).toEqual([]);
  });

  test('what is no good, and names the field', async () => {
    await using api = await start();
    for (const [fields, says] of BAD) {
      for (const path of ['/node', '/api/node']) {
        const { status, body } = await say(api, `POST ${path}`, form({ name: 'n1', ...fields }));
        expect([fields, status, body.message]).toEqual([fields, 400, expect.stringMatching(says)]);
        expect(JSON.stringify(body)).not.toContain('secret');
      }
    }
    expect(await api.context.nodes.list()).toEqual([]);
  });
});
