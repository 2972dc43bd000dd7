import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { configure, freePort, malkoha } from '../support/malkoha.js';

/** Each command is a process of its own, on a host that may be busy. */
jest.setTimeout(120_000);

describe('which daemon, and with which token', () => {
  let api: TestApi;
  let home: string;

  beforeAll(async () => {
    const token = '[cuckoo]\napi_token = open sesame\n';
    api = await startApi(token);
    home = api.context.home.dir;
    await configure(home, `${token}[api]\nport = ${new URL(api.url).port}\n`);
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test("the home folder's token is for its own daemon: a host that is named is not shown it", async () => {
    expect(await malkoha({ dir: home }, 'task', 'list')).toMatchObject({ code: 0 });
    const named = ['--host', '127.0.0.1', '--port', new URL(api.url).port];
    const { code, stdout, stderr } = await malkoha({ dir: home }, 'task', 'list', ...named);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('Authorization: Bearer');
    expect(stderr).toContain('--token');
    const token = ['--token', 'open sesame'];
    expect(await malkoha({ dir: home }, 'task', 'list', ...named, ...token)).toMatchObject({ code: 0 });
    expect(await malkoha({ dir: home }, 'task', 'list', '--token', 'wrong')).toMatchObject({ code: 1 });
  });

  test('where no daemon answers, it is said how to start one', async () => {
    const port = String(await freePort());
    const { code, stdout, stderr } = await malkoha({ dir: home }, 'status', '--json', '--port', port);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`no answer from http://127.0.0.1:${port}`);
    expect(stderr).toContain('malkoha up');
  });

  test('wrong usage is 2, with the reason on stderr', async () => {
    const { code, stdout, stderr } = await malkoha({ dir: home }, 'task', 'lits', '--json');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('`task lits`; there are list, view,');
  });
});
