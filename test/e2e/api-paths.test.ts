import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { startApi, type TestApi } from '../support/api.js';
import { leave, submit } from '../support/api-client.js';

let api: TestApi;
let id: number;

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: parameters of paths that files are given out by', () => {
  beforeAll(async () => {
    api = await startApi();
    id = await submit(api, 'p', 'p');
    for (const name of ['memory/12-1.dmp', 'shots/0001.jpg', 'task.json']) await leave(api, id, name, 'x');
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('no path parameter leads out of its folder, whatever it holds', async () => {
    const piece = fc.constantFrom(
      '..',
      '.',
      '/',
      '\\',
      '\0',
      '%2f',
      '%00',
      'reports',
      'task.json',
      '12-1',
      'é',
      '\n',
      "'",
    );
    const text = fc.oneof(
      fc.array(piece, { minLength: 1, maxLength: 8 }).map((pieces) => pieces.join('')),
      fc.string({ minLength: 1, maxLength: 60, unit: 'binary' }),
      fc.nat(1500).map((length) => 'a'.repeat(length + 1)),
    );
    const routes = fc.constantFrom(
      ...[
        'tasks/report/@',
        `tasks/report/${id}/@`,
        'tasks/summary/@',
        `tasks/screenshots/${id}/@`,
        'tasks/screenshots/@',
      ],
      ...[
        'files/get/@',
        'pcap/get/@',
        'memory/list/@',
        'memory/get/@/12-1',
        `memory/get/${id}/@`,
        'full_memory/@',
      ],
      ...['analysis/@/summary', `tasks/report/${id}/all?tar=tar&elements=@`],
    );
    const known = [`${id}`, `[${id}]`, 'json', '12-1', '12-1.dmp'];
    await fc.assert(
      fc.asyncProperty(routes, text, async (route, parameter) => {
        fc.pre(!known.includes(parameter));
        const status = await statusOf(`/${route.replace('@', encodeURIComponent(parameter))}`);
        if (route.includes('?')) expect(status).toBe(200);
        else expect([400, 404, 414]).toContain(status);
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  /** Asked by hand: fetch takes dots out of a path. */
  async function statusOf(path: string): Promise<number> {
    const request = get(`${api.url}/`, { path, agent: false });
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    answer.resume();
    return answer.statusCode ?? 0;
  }
});
