import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { ask } from '../support/api-client.js';
import { PROPERTIES } from '../support/malformed.js';

let api: TestApi;

describe('REST API: malformed requests', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test.each(Object.entries(PROPERTIES))(
    '%s',
    async (_says, holds) => {
      await holds(api, 300);
    },
    60_000,
  );

  test('ten thousand fields are refused', async () => {
    const form = new FormData();
    for (let n = 0; n < 10_000; n += 1) form.append(`f${n}`, 'x');
    const { status, body } = await ask(api, '/tasks/create/url', { method: 'POST', body: form });
    expect([status, Object.keys(body)]).toEqual([413, ['message']]);
  });
});
