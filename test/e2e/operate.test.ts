import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { build, makeHome, malkoha, start, type Home } from '../support/malkoha.js';

/** Each command is a process of its own, on a host that may be busy. */
jest.setTimeout(300_000);

interface Machines {
  readonly machines: readonly { readonly name: string; readonly state: string }[];
}

describe('a lab of fake machines, operated', () => {
  let home: Home;
  const json = async <T>(...args: string[]): Promise<T> =>
    JSON.parse((await malkoha(home, ...args, '--json')).stdout) as T;
  const states = async () => (await json<Machines>('machine', 'list')).machines.map(({ state }) => state);

  beforeAll(async () => {
    await build();
    home = await makeHome();
  });
  afterAll(async () => {
    await home[Symbol.asyncDispose]();
  });

  test('machines are tested and taken out while it runs; a drained worker is not started again, another one goes on', async () => {
    const lab = start(home, 'up', '--machinery', 'fake', '--machines', '2');
    await lab.said(/Malkoha is up/);
    const [first] = (await json<Machines>('machine', 'list')).machines;
    const name = first?.name ?? '';
    expect((await malkoha(home, 'machine', 'test', name)).stdout).toMatch(/ works {2}restore .* agent /);
    expect(await malkoha(home, 'machine', 'drain', name)).toMatchObject({ code: 0, stdout: 'drained\n' });
    expect((await states()).toSorted()).toEqual(['disabled', 'ready']);

    const { workers } = (await json<{ scheduler: { workers: { name: string }[] } }>('status')).scheduler;
    const worker = workers[0]?.name ?? '';
    expect(await malkoha(home, 'submit', 'http://one.test/', '--wait')).toMatchObject({ code: 0 });
    expect(await malkoha(home, 'machine', 'drain', '--worker', worker)).toMatchObject({ code: 0 });
    await lab.said(/the worker is drained: it has ended, and is not started again/);
    const id = (await malkoha(home, 'submit', 'http://two.test/')).stdout.trim();
    const waiting = await json<{ reason: string }>('task', 'explain', id);
    expect(['no_machine', 'no_worker']).toContain(waiting.reason);

    // What an operator took out stays out, whoever has the machines now.
    const other = start(home, 'worker', '--machinery', 'fake', '--machines', '2');
    await other.said(/the worker takes tasks/);
    expect(await malkoha(home, 'task', 'watch', id)).toMatchObject({ code: 0 });
    expect((await states()).toSorted()).toEqual(['disabled', 'ready']);
    other.process.kill('SIGINT');
    expect(await other.ended).toMatchObject({ code: 0 });
    lab.process.kill('SIGINT');
    expect(await lab.ended).toMatchObject({ code: 0 });
  });

  test('an API by hand, beside nothing, over a Redis that is named and is not there', async () => {
    const socket = `${home.dir}/none.sock`;
    const api = start(
      home,
      'api',
      '--queue',
      `unix://${socket}`,
      '--database',
      `sqlite://${home.dir}/other.db`,
    );
    await api.said(/the API is up: http/);
    expect(await malkoha(home, 'task', 'list')).toMatchObject({ code: 0, stderr: 'no tasks\n' });
    expect((await malkoha(home, 'status')).stdout).toContain('Redis does not answer');
    api.process.kill('SIGTERM');
    const { code, stdout } = await api.ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ready: true, url: home.url });
  });
});
