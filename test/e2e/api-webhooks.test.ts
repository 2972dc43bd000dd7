import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, startBeside, type TestApi } from '../support/api.js';
import { ask, drive, submit, viewTask } from '../support/api-client.js';
import { freePort, ROOT } from '../support/malkoha.js';
import { startReceiver } from '../support/receiver.js';
import {
  deliveries,
  isSigned,
  register,
  settled,
  type Delivery,
  type Hook,
} from '../support/webhook-client.js';

const run = promisify(execFile);
const PRIVATE = '[webhooks]\nallow_private = yes\n';

let api: TestApi;

const remove = async (path: string) => ask(api, path, { method: 'DELETE' });
const redeliver = async (id: number) => ask(api, `/webhooks/deliveries/${id}/redeliver`, { method: 'POST' });

async function endedTask(by = api): Promise<number> {
  const id = await submit(by, 'sample.sh', 'x', { owner: 'ann' });
  await drive(by, id, 'running', 'failed_analysis');
  return id;
}

describe('webhooks', () => {
  beforeAll(async () => {
    api = await startApi(PRIVATE);
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('a receiver that answers with another protocol has not taken the message, and holds nothing up', async () => {
    await using receiver = await startReceiver((_n, { socket }) => {
      socket?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
      return null;
    });
    const hook = await register(api, receiver.url);
    await endedTask();
    const entry = await settled(api, hook, ({ last_error }) => last_error !== null);
    expect(entry).toMatchObject({
      state: 'pending',
      last_status: null,
      last_error: 'the connection ended without an answer',
    });
    await remove(`/webhooks/${hook.id}`);
  });

  test('the end of a task is sent at once, signed, with the task as it is', async () => {
    await using receiver = await startReceiver();
    const hook = await register(api, `${receiver.url}/hook?x=1`);
    expect(hook).toEqual({
      id: hook.id,
      url: `${receiver.url}/hook?x=1`,
      events: expect.arrayContaining(['task.reported', 'task.failed_analysis']),
      created_on: expect.stringMatching(/^\d{4}-.*Z$/),
      disabled_on: null,
      secret: expect.stringMatching(/^whsec_/),
    });
    const task = await endedTask();
    const [message] = await receiver.count(1);
    if (!message) throw new Error('nothing came');
    expect(message.path).toBe('/hook?x=1');
    expect(message.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': expect.stringMatching(/^msg_[0-9a-f]{32}$/),
      'webhook-timestamp': expect.stringMatching(/^\d{10}$/),
    });
    expect(isSigned(message, hook.secret)).toBe(true);
    expect(isSigned({ ...message, body: `${message.body} ` }, hook.secret)).toBe(false);
    expect(JSON.parse(message.body)).toEqual({
      id: message.headers['webhook-id'],
      type: 'task.failed_analysis',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      data: { task_id: task, status: 'failed_analysis', task: await viewTask(api, task) },
    });
    expect(await settled(api, hook, ({ state }) => state === 'delivered')).toEqual({
      id: expect.any(Number),
      webhook_id: hook.id,
      message_id: message.headers['webhook-id'],
      task_id: task,
      event: 'task.failed_analysis',
      state: 'delivered',
      attempts: 1,
      last_status: 200,
      last_error: null,
      created_on: expect.any(String),
      attempted_on: expect.any(String),
      next_attempt_on: null,
    });
    await remove(`/webhooks/${hook.id}`);
  });

  test('the examples of the documentation tell our messages from others', async () => {
    await using receiver = await startReceiver();
    const { secret, id } = await register(api, receiver.url);
    await endedTask();
    const [message] = await receiver.count(1);
    const page = await readFile(join(ROOT, 'docs/howto/webhooks.md'), 'utf8');
    const example = (language: string) => page.split(`\`\`\`${language}\n`)[1]?.split('```')[0] ?? '';
    const says = async (input: object): Promise<string[]> => {
      const text = JSON.stringify({ secret, headers: message?.headers, body: message?.body, ...input });
      const js = `${example('js')};const { secret, headers, body } = JSON.parse(process.argv[1]);console.log(isOurs(secret, headers, body))`;
      const python = `${example('python')}\nimport json, sys\ngiven = json.loads(sys.argv[1])\nprint(is_ours(given["secret"], given["headers"], given["body"].encode()))`;
      const answers = await Promise.all([
        run(process.execPath, ['--input-type=module', '-e', js, text], { env: {} }),
        run('python3', ['-c', python, text]),
      ]);
      return answers.map(({ stdout }) => stdout.trim().toLowerCase());
    };
    expect(await says({})).toEqual(['true', 'true']);
    expect(await says({ body: '{}' })).toEqual(['false', 'false']);
    await remove(`/webhooks/${id}`);
  });

  test('a receiver that fails first gets the same message again, and can have it once more', async () => {
    await using receiver = await startReceiver((n) => (n === 1 ? 503 : 204));
    const hook = await register(api, receiver.url, { events: 'task.failed_analysis, task.reported' });
    expect(hook['events']).toEqual(['task.reported', 'task.failed_analysis']);
    await endedTask();
    const waiting = await settled(api, hook, ({ last_status }) => last_status !== null);
    expect(waiting).toMatchObject({
      state: 'pending',
      last_status: 503,
      last_error: '503 Service Unavailable',
    });
    expect(Date.parse(waiting.next_attempt_on ?? '')).toBeGreaterThan(Date.now());
    await receiver.count(2);
    const done = await settled(api, hook, ({ state }) => state === 'delivered');
    expect(done).toMatchObject({ attempts: 2, last_status: 204, last_error: null });
    expect(await redeliver(done.id)).toMatchObject({ status: 200, body: { status: 'OK' } });
    const three = await receiver.count(3);
    const ids = new Set(three.map(({ headers }) => headers['webhook-id']));
    expect({ ids: ids.size, signed: three.every((one) => isSigned(one, hook.secret)) }).toEqual({
      ids: 1,
      signed: true,
    });
    expect((await redeliver(424242)).status).toBe(404);
    await remove(`/webhooks/${hook.id}`);
  }, 30_000);

  test('a receiver that is not there, and an API that ends meanwhile, lose nothing', async () => {
    const port = await freePort();
    const hook = await register(api, `http://127.0.0.1:${port}/`);
    const task = await endedTask();
    const refused = await settled(api, hook, ({ last_error }) => last_error !== null);
    expect(refused).toMatchObject({ state: 'pending', last_status: null });
    expect(refused.last_error).toContain('ECONNREFUSED');

    // It takes the message and says nothing; the API that sends it ends in the middle.
    await using silent = await startReceiver(() => null, port);
    const other = await startBeside(api, PRIVATE);
    await redeliver(refused.id);
    await silent.count(1);
    await Promise.all([other[Symbol.asyncDispose](), silent[Symbol.asyncDispose]()]);

    await using receiver = await startReceiver(() => 200, port);
    await settled(api, hook, ({ last_error }) => last_error !== refused.last_error);
    const [message] = await receiver.count(1);
    expect(JSON.parse(message?.body ?? '')).toMatchObject({ data: { task_id: task } });
    expect(message?.headers['webhook-id']).toBe(refused['message_id']);
    expect(await settled(api, hook, ({ state }) => state === 'delivered')).toMatchObject({
      last_status: 200,
    });
    await remove(`/webhooks/${hook.id}`);
  }, 60_000);

  test('two APIs send each message once', async () => {
    await using other = await startBeside(api, PRIVATE);
    await using receiver = await startReceiver();
    const hook = await register(api, receiver.url);
    const tasks: number[] = [];
    for (let n = 0; n < 12; n += 1) tasks.push(await endedTask(n % 2 === 0 ? api : other));
    const messages = await receiver.count(12);
    for (const id of tasks)
      expect((await deliveries(api, hook)).find((entry) => entry['task_id'] === id)).toBeDefined();
    await settled(api, hook, ({ state }) => state === 'delivered');
    const told = messages.map(({ body }) => (JSON.parse(body) as { data: { task_id: number } }).data.task_id);
    expect(told.toSorted((a, b) => a - b)).toEqual(tasks);
    await remove(`/webhooks/${hook.id}`);
  }, 30_000);

  test('410 ends a webhook: what is left fails, nothing more is sent, and it cannot be asked for again', async () => {
    await using receiver = await startReceiver(() => 410);
    const hook = await register(api, receiver.url);
    await endedTask();
    const gone = await settled(api, hook, ({ state }) => state === 'failed');
    expect(gone).toMatchObject({ last_status: 410, last_error: '410 Gone', attempts: 1 });
    await endedTask();
    expect(await deliveries(api, hook)).toHaveLength(1);
    const { webhooks } = (await ask(api, '/webhooks')).body as unknown as { webhooks: Hook[] };
    expect(webhooks.find(({ id }) => id === hook.id)).toMatchObject({ disabled_on: expect.any(String) });
    expect(await redeliver(gone.id)).toMatchObject({ status: 409 });
    expect(receiver.received).toHaveLength(1);
    await remove(`/webhooks/${hook.id}`);
  });

  test('redirects are not followed, endless answers are not read, and a task that is gone is said to be', async () => {
    await using elsewhere = await startReceiver();
    await using receiver = await startReceiver((n, response) => {
      if (n === 1) response.writeHead(302, { location: elsewhere.url }).end();
      else {
        response.writeHead(200);
        const more = (): void => {
          while (response.writable && response.write(Buffer.alloc(65_536)));
        };
        response.on('drain', more);
        more();
      }
      return null;
    });
    const hook = await register(api, receiver.url);
    const task = await endedTask();
    const moved = await settled(api, hook, ({ last_error }) => last_error !== null);
    expect(moved).toMatchObject({ last_status: 302, last_error: '302 Found: redirects are not followed' });
    await ask(api, `/tasks/delete/${task}`);
    await redeliver(moved.id);
    await settled(api, hook, ({ state }) => state === 'delivered');
    expect(elsewhere.received).toHaveLength(0);
    expect(JSON.parse(receiver.received[1]?.body ?? '')).toMatchObject({
      data: { task_id: task, status: 'failed_analysis', task: null },
    });
    await remove(`/webhooks/${hook.id}`);
  });

  test('a deleted webhook takes its log along, and its secret is shown only once', async () => {
    const hook = await register(api, 'http://127.0.0.1:9/', { events: 'task.reported' });
    expect(JSON.stringify((await ask(api, '/webhooks')).body)).not.toContain('secret');
    expect(await remove(`/webhooks/${hook.id}/`)).toMatchObject({ status: 200, body: { status: 'OK' } });
    expect(await remove(`/webhooks/${hook.id}`)).toMatchObject({
      status: 404,
      body: { message: 'Webhook not found' },
    });
    expect((await ask(api, `/webhooks/${hook.id}/deliveries`)).status).toBe(404);
  });

  test('the log comes in pages', async () => {
    const hook = await register(api, 'http://127.0.0.1:9/');
    for (let n = 0; n < 3; n += 1) await endedTask();
    const page = async (query: string) =>
      (await ask(api, `/webhooks/${hook.id}/deliveries?${query}`)).body as unknown as {
        deliveries: Delivery[];
        next: number | null;
      };
    const first = await page('limit=2');
    const second = await page(`limit=2&before=${first.next ?? ''}`);
    expect([first.deliveries.length, second.deliveries.length, second.next]).toEqual([2, 1, null]);
    for (const bad of ['limit=0', 'limit=x', 'before=-1']) {
      expect((await ask(api, `/webhooks/${hook.id}/deliveries?${bad}`)).status).toBe(400);
    }
    await remove(`/webhooks/${hook.id}`);
  });

  test('JSON is taken as well as a form', async () => {
    const secret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
    const json = async (body: string) =>
      ask(api, '/webhooks', { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    const { status, body } = await json(
      JSON.stringify({ url: 'https://receiver.test/#x', secret, events: ['task.reported'] }),
    );
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { webhook: { url: 'https://receiver.test/', secret, events: ['task.reported'] } },
    });
    for (const bad of ['', '{', '[]', 'null', '{"url":7}', '{"url":"http://a.test","events":[1]}']) {
      const answer = await json(bad);
      expect({ bad, status: answer.status, message: typeof answer.body.message }).toEqual({
        bad,
        status: 400,
        message: 'string',
      });
    }
  });

  test.each<[string, Record<string, string>]>([
    ['The URL is missing: send it as the field "url"', {}],
    ['"url" must be an http or https URL', { url: 'receiver' }],
    ['"url" must be an http or https URL', { url: 'file:///etc/passwd' }],
    ['"url" is longer than 2048 characters', { url: `http://receiver.test/${'x'.repeat(3000)}` }],
    ['"url" must not hold a user or a password', { url: 'http://user:secret@receiver.test/' }],
    ['"secret" must be whsec_ and the base64 of 24 to 64', { url: 'http://receiver.test/', secret: 'short' }],
    ['"events" must be among task.reported, ', { url: 'http://receiver.test/', events: 'task.pending' }],
  ])('refused: %s', async (sentence, fields) => {
    const { status, body } = await ask(api, '/webhooks', {
      method: 'POST',
      body: new URLSearchParams(fields),
    });
    expect({ status, message: body.message }).toEqual({
      status: 400,
      message: expect.stringContaining(sentence),
    });
  });

  test('pages of other sites, and what is no form, are refused', async () => {
    const foreign = { headers: { origin: 'http://evil.test' } };
    for (const [method, path] of [
      ['POST', '/webhooks'],
      ['DELETE', '/webhooks/1'],
      ['POST', '/webhooks/deliveries/1/redeliver'],
    ] as const) {
      expect((await ask(api, path, { ...foreign, method })).status).toBe(403);
    }
    const text = { method: 'POST', body: 'url=http://a.test', headers: { 'content-type': 'text/plain' } };
    expect((await ask(api, '/webhooks', text)).status).toBe(415);
  });
});

describe('webhooks to addresses of this network', () => {
  test('are refused when they are made, and when a name turns out to be one', async () => {
    await using guarded = await startApi();
    await using receiver = await startReceiver();
    for (const host of ['127.0.0.1', '169.254.169.254', '[::1]', '10.0.0.1', '0x7f.1']) {
      const body = new URLSearchParams({ url: `http://${host}:${receiver.port}/` });
      const answer = await ask(guarded, '/webhooks', { method: 'POST', body });
      expect({ host, status: answer.status, message: answer.body.message }).toEqual({
        host,
        status: 400,
        message: expect.stringContaining('allow_private in cuckoo.conf'),
      });
    }
    const hook = await register(guarded, `http://localhost:${receiver.port}/`);
    await endedTask(guarded);
    const entry = await settled(guarded, hook, ({ last_error }) => last_error !== null);
    expect(entry).toMatchObject({ state: 'pending', last_status: null });
    expect(entry.last_error).toMatch(/^localhost is \S+, which is an address of this network/);
    expect(receiver.received).toHaveLength(0);
  });
});
