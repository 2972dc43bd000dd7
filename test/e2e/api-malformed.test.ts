import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { ask, postRaw, viewTask } from '../support/api-client.js';
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

  test('a field that is labelled as JSON is the text that was sent', async () => {
    const part = (name: string, value: string) =>
      `--XX\nContent-Disposition: form-data; name="${name}"\nContent-Type: application/json\n\n${value}\n`;
    const { body } = await postRaw(
      api,
      '/tasks/create/url',
      `${part('url', '"http://example.test/"')}${part('custom', '{"case":[1]}')}--XX--\n`,
    );
    expect((await viewTask(api, body.task_id))['custom']).toBe('{"case":[1]}');
  });

  test.each(['', 'Content-Type: application/json\n'])(
    'fields that are large together are refused (%j)',
    async (type) => {
      const value = `["${'x'.repeat(1024 * 1024 - 5)}"]`;
      const field = `--XX\nContent-Disposition: form-data; name="f"\n${type}\n${value}\n`;
      const { status, body } = await postRaw(api, '/tasks/create/url', `${field.repeat(8)}--XX--\n`);
      expect([status, body]).toEqual([413, { message: 'The fields are longer than 4194304 bytes together' }]);
    },
  );
});
