import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { once } from '#storage/idempotency.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, form, type Answer } from '../support/api-client.js';
import { pack } from '../support/archives.js';

/** Some of these unpack archives, each in a thread that loads 7-Zip. */
jest.setTimeout(120_000);

let api: TestApi;

function send(path: string, key: string, body: FormData | URLSearchParams, to = api): Promise<Answer> {
  return ask(to, path, { method: 'POST', body, headers: { 'idempotency-key': key } });
}

const url = (text: string, more: Readonly<Record<string, string>> = {}) =>
  new URLSearchParams({ url: text, ...more });
const file = (content: string, more: Readonly<Record<string, string>> = {}) =>
  form(more, { name: 'a.sh', content });
const total = async () => (await api.context.tasks.counts()).total;

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: Idempotency-Key', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('a hundred requests at once with one key are one task, and all get its id', async () => {
    const before = await total();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => send('/tasks/create/file', 'hundred', file('x'))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(await total()).toBe(before + 1);
  });

  test('without a key the same request is another task', async () => {
    const before = await total();
    for (let n = 0; n < 2; n += 1)
      await ask(api, '/tasks/create/url', { method: 'POST', body: url('http://x/') });
    expect(await total()).toBe(before + 2);
  });

  test.each([
    ['another file', 'file', file('one'), file('two')],
    ['another field', 'url', url('http://x/'), url('http://x/', { timeout: '5' })],
  ])('the key of a request with %s is a 422 that says so', async (what, endpoint, first, second) => {
    expect((await send(`/tasks/create/${endpoint}`, what, first)).status).toBe(200);
    const { status, body } = await send(`/tasks/create/${endpoint}`, what, second);
    expect({ status, message: body.message }).toEqual({
      status: 422,
      message: expect.stringContaining('Idempotency-Key'),
    });
  });

  test('the key of another endpoint is another request', async () => {
    expect((await send('/tasks/create/url', 'shared', url('http://x/'))).status).toBe(200);
    const body = new URLSearchParams({ strings: 'http://x/', url: 'http://x/' });
    expect((await send('/tasks/create/submit', 'shared', body)).status).toBe(422);
  });

  test.each([
    ['empty', ''],
    ['too long', 'x'.repeat(256)],
    ['a tab', 'a\tb'],
    ['not ASCII', 'é'],
  ])('a key that is %s is a 400, and makes no task', async (_what, key) => {
    const before = await total();
    const { status, body } = await send('/tasks/create/url', key, url('http://x/'));
    expect({ status, message: body.message }).toEqual({
      status: 400,
      message: expect.stringContaining('Idempotency-Key'),
    });
    expect(await total()).toBe(before);
  });

  test('create/submit answers the same again, with archives and errors', async () => {
    const zip = await pack('a.zip', { 'a.sh': '#!/bin/sh\n', 'b.sh': '#!/bin/sh\n:\n' });
    const request = () => {
      const data = form({ strings: 'x' });
      data.append('file', new Blob([zip]), 'a.zip');
      return data;
    };
    const before = await total();
    const answers = await Promise.all([1, 2, 3].map(() => send('/tasks/create/submit', 'zip', request())));
    answers.push(await send('/tasks/create/submit', 'zip', request()));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(await total()).toBe(before + 2);
  });

  test('a refusal is not kept: corrected, the key is good', async () => {
    const bad = await send('/tasks/create/url', 'corrected', url('http://x/', { timeout: 'soon' }));
    expect(bad.status).toBe(400);
    expect((await send('/tasks/create/url', 'corrected', url('http://x/'))).status).toBe(200);
  });

  test('unique and a key: the repetition is the same request, not a second submission', async () => {
    const body = () => file('unique and a key', { unique: 'yes' });
    const answers = await Promise.all([1, 2, 3].map(() => send('/tasks/create/file', 'unique', body())));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await send('/tasks/create/file', 'other', body())).body.message).toBe(
      'This file has already been submitted',
    );
  });

  test('two at once without a key, but unique: one is taken', async () => {
    const body = () => file('unique at once', { unique: 'yes' });
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => ask(api, '/tasks/create/file', { method: 'POST', body: body() })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 400, 400, 400, 400, 400, 400, 400]);
  });

  test('scopes have keys of their own, and after a day a key is free again', async () => {
    const { db } = api.context;
    const mark = { scope: 'ann', key: 'k', fingerprint: 'f' };
    const run = (change: object, answer: number) => once(db, { ...mark, ...change }, async () => answer);
    expect(await run({}, 1)).toEqual({ kind: 'done', answer: 1 });
    expect(await run({}, 2)).toEqual({ kind: 'repeated', answer: 1 });
    expect(await run({ scope: 'bob' }, 3)).toEqual({ kind: 'done', answer: 3 });
    expect(await run({ fingerprint: 'g' }, 4)).toEqual({ kind: 'another request' });
    await db.query(`UPDATE idempotency SET added_on = '2020-01-01 00:00:00.000' WHERE scope = 'ann'`);
    expect(await run({ fingerprint: 'g' }, 5)).toEqual({ kind: 'done', answer: 5 });
  });
});
