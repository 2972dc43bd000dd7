import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { ask, form, HEADERS, leave, type Answer } from '../support/api-client.js';

const TOKENS = {
  api_token: 'cuckoo-has-this',
  reader: 'a-token-that-may-read',
  gateway: 'a-token-that-may-submit',
  siem: 'a-token-to-read-and-download',
  boss: 'a-token-that-may-do-everything',
} as const;

const CONF = `
[cuckoo]
api_token = ${TOKENS.api_token}
[tokens]
reader = read ${TOKENS.reader}
gateway = submit ${TOKENS.gateway}
siem = read, download sha256:${createHash('sha256').update(TOKENS.siem).digest('hex')}
boss = admin ${TOKENS.boss}
`;

const DENIED = {
  message: "Authentication in the form of an 'Authorization: Bearer <TOKEN>' header is required",
};

let api: TestApi;

const as = (name: keyof typeof TOKENS, path: string, init: RequestInit = {}): Promise<Answer> =>
  ask(api, path, {
    ...init,
    headers: { ...(init.headers as Record<string, string>), authorization: `Bearer ${TOKENS[name]}` },
  });

const upload = () => ({ method: 'POST', body: form({}, { name: 'a', content: 'a' }) });

describe('REST API: tokens and scopes', () => {
  beforeAll(async () => {
    api = await startApi(CONF);
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test.each([
    {},
    { authorization: '' },
    { authorization: 'Bearer' },
    { authorization: 'Bearer ' },
    { authorization: `bearer ${TOKENS.boss}` },
    { authorization: TOKENS.boss },
    { authorization: `Bearer  ${TOKENS.boss}` },
    { authorization: `Bearer ${TOKENS.boss}x` },
    { authorization: `Bearer ${TOKENS.boss.slice(0, -1)}` },
    { authorization: `Bearer ${createHash('sha256').update(TOKENS.siem).digest('hex')}` },
    { authorization: `Basic ${Buffer.from(`u:${TOKENS.boss}`).toString('base64')}` },
  ])('%j is answered 401 whatever is asked for', async (headers) => {
    for (const path of [
      '/cuckoo/status',
      '/nothing/here',
      '/tasks/view/%zz',
      '/tasks/create/file',
      '//v1/tasks/list/',
    ]) {
      const answer = await fetch(`${api.url}${path}`, { headers });
      expect([answer.status, await answer.json()]).toEqual([401, DENIED]);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        ...HEADERS,
        'content-type': 'application/json',
      });
      expect(answer.headers.has('www-authenticate')).toBe(false);
    }
    expect(await ask(api, '/tasks/create/file', { ...upload(), headers })).toMatchObject({
      status: 401,
      body: DENIED,
    });
    expect((await fetch(`${api.url}/tasks/list`, { method: 'HEAD', headers })).status).toBe(401);
  });

  test("Cuckoo's token and one with the scope admin may do everything", async () => {
    for (const name of ['api_token', 'boss'] as const) {
      const { status, body } = await as(name, '/tasks/create/file', upload());
      expect(status).toBe(200);
      expect((await as(name, `/tasks/view/${body.task_id}`)).status).toBe(200);
      expect((await as(name, `/files/get/${createHash('sha256').update('a').digest('hex')}`)).status).toBe(
        200,
      );
      expect((await as(name, `/tasks/delete/${body.task_id}`)).status).toBe(200);
      expect((await as(name, '/nothing/here')).status).toBe(404);
    }
  });

  test('a token may do what its scopes say, and is told which it lacks', async () => {
    const { body } = await as('gateway', '/tasks/create/file', upload());
    const id = body.task_id;
    await leave(api, id, 'dump.pcap', 'pcap');
    await leave(api, id, 'reports/report.json', '{}');
    const requests = {
      [`/tasks/view/${id}`]: 'read',
      '/tasks/list': 'read',
      '/cuckoo/status': 'read',
      '/machines/list': 'read',
      [`/tasks/report/${id}`]: 'read',
      [`/v1/tasks/report/${id}/json/`]: 'read',
      [`/pcap/get/${id}`]: 'download',
      [`/files/get/${createHash('sha256').update('a').digest('hex')}`]: 'download',
      [`/tasks/report/${id}/all`]: 'download',
      [`/tasks/report/${id}/DROPPED`]: 'download',
      [`/tasks/delete/${id}`]: 'admin',
    } as const;
    const scopes = { reader: ['read'], gateway: ['submit'], siem: ['read', 'download'] } as const;
    for (const [name, has] of Object.entries(scopes)) {
      for (const [path, needed] of Object.entries(requests)) {
        const answer = await as(name as keyof typeof scopes, path);
        if ((has as readonly string[]).includes(needed)) {
          expect({ name, path, status: answer.status }).not.toMatchObject({ status: 403 });
          continue;
        }
        const message = `The token "${name}" may not do this: it needs the scope ${needed}, and has ${has.join(', ')}`;
        expect([path, answer.status, answer.body]).toEqual([path, 403, { message }]);
        expect(Object.fromEntries(answer.headers)).toMatchObject(HEADERS);
      }
    }
    expect((await as('reader', '/tasks/create/file', upload())).status).toBe(403);
    expect((await as('reader', '/nothing/here')).status).toBe(404);
    expect((await as('reader', '/tasks/list', { method: 'POST' })).status).toBe(405);
  });

  test('every request that would change something is one line of the audit, refused or not', async () => {
    const lines = () =>
      api.log.filter((line) => line.startsWith('info: audit ')).map((line) => line.slice(12));
    const before = lines().length;
    const { body } = await as('gateway', '/v1/tasks/create/file', upload());
    await as('siem', `/tasks/delete/${body.task_id}`);
    await ask(api, `/tasks/delete/${body.task_id}`);
    await as('boss', `/tasks/delete/${body.task_id}`);
    await as('boss', '/tasks/list');
    const line = (token: string | null, path: string, more: object) => ({
      token,
      client: '127.0.0.1',
      method: 'GET',
      path,
      task: body.task_id,
      made: [],
      ...more,
    });
    expect(
      lines()
        .slice(before)
        .map((text): unknown => JSON.parse(text)),
    ).toEqual([
      {
        ...line('gateway', '/tasks/create/file', { method: 'POST', task: null, status: 200 }),
        made: [body.task_id],
      },
      line('siem', '/tasks/delete/:id', { status: 403 }),
      line(null, '/tasks/delete/:id', { status: 401 }),
      line('boss', '/tasks/delete/:id', { status: 200 }),
    ]);
  });
});
