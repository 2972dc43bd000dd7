import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { runFromSources, type RunningProgram } from '../support/from-sources.js';

let home: string;
let running: RunningProgram[];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dist-'));
  running = [];
});
afterEach(async () => {
  for (const { pid, ended } of running) {
    const end = setTimeout(() => process.kill(pid, 'SIGTERM'), 0);
    await ended;
    clearTimeout(end);
  }
  await rm(home, { recursive: true });
});

function run(program: string, ...args: readonly string[]): RunningProgram {
  const started = runFromSources(program, [...args, '--home', home]);
  running.push(started);
  return started;
}

const places = () => [
  ...['--report-formats', 'json', '--samples-directory', join(home, 's')],
  ...['--reports-directory', join(home, 'r')],
];

const distributed = (...args: readonly string[]) =>
  run('apps/cli/main.ts', 'distributed', ...args, ...places());

/** Its URL, once it has said that it is ready. */
async function urlOf(started: RunningProgram): Promise<string> {
  const [line] = await started.said('stdout', /^\{.*\}$/m);
  const ready = JSON.parse(line) as { ready: boolean; url: string; pid: number };
  expect(ready).toMatchObject({ ready: true, pid: started.pid });
  return ready.url;
}

async function taskCount(url: string): Promise<number> {
  const { tasks } = (await (await fetch(`${url}/api/task`)).json()) as { tasks: object };
  return Object.keys(tasks).length;
}

async function submit(url: string): Promise<unknown> {
  const form = new URLSearchParams({ url: 'http://a.test/' });
  return (await fetch(`${url}/task`, { method: 'POST', body: form })).json();
}

test('malkoha distributed: is started again when it is killed, keeps what it took, and leaves nothing running', async () => {
  const first = distributed('127.0.0.1', '0');
  const url = await urlOf(first);
  expect(await submit(url)).toEqual({ task_id: 1 });

  const second = distributed('127.0.0.1', '0');
  expect(await second.ended).toMatchObject({
    ...{ code: 1, stdout: '' },
    stderr: expect.stringContaining(
      `pid ${first.pid} already runs the daemon of this home folder, at ${url}`,
    ),
  });

  const [, pid] = await first.said('stderr', /"ready":true.*"pid":(\d+)/);
  process.kill(Number(pid), 'SIGKILL');
  await first.said('stderr', /distributed ended \(SIGKILL\); it is started again[^]*"ready":true/);
  expect(await taskCount(url)).toBe(1);

  process.kill(first.pid, 'SIGTERM');
  expect((await first.ended).code).toBe(0);
  expect(await readdir(join(home, 'run'))).toEqual([]);
});

test('a port that somebody has is told with who has it', async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as AddressInfo;
  try {
    expect(await distributed('127.0.0.1', String(port)).ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`port ${port} is in use by ${await ownName()} (pid ${process.pid})`),
    });
  } finally {
    await new Promise((resolve) => holder.close(resolve));
  }
});

test('nobody listens off this host without a token, and the sentence names the file', async () => {
  const { code, stderr } = await run('apps/distributed/main.ts', '--host', '0.0.0.0', ...places()).ended;
  expect(code).toBe(1);
  expect(stderr).toContain('would listen on 0.0.0.0 without authentication');
  expect(stderr).toContain('api_token in [distributed] of distributed.conf');
});

test('an address that is not of this host, and a database that does not open, are told with what helps', async () => {
  expect(await distributed('192.0.2.1', '0').ended).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /cannot listen on "192\.0\.2\.1": listen EADDRNOTAVAIL.*\n +Choose another address/,
    ),
  });
  await writeFile(join(home, 'file'), '');
  const at = join(home, 'file', 'x.db');
  const inTheWay = await run('apps/distributed/main.ts', ...places(), '--db', `sqlite:///${at}`).ended;
  expect(inTheWay).toMatchObject({ code: 1 });
  expect(inTheWay.stderr).toMatch(/the database sqlite:\S+ does not open: EEXIST.*\n +Does the database run/);
  const refused = ['--db', 'postgresql://me:s3cret@127.0.0.1:9/dist'];
  const { stderr } = await run('apps/distributed/main.ts', ...places(), ...refused).ended;
  expect(stderr.match(/ECONNREFUSED/g)).toHaveLength(1);
  expect(stderr).toContain('Does the database run');
  expect(stderr).not.toContain('s3cret');
});

test('a file that is wrong is told with its line, also by the process alone', async () => {
  await mkdir(join(home, 'conf'));
  await writeFile(join(home, 'conf', 'distributed.conf'), '[queue]\nconnection = nowhere\n');
  expect(await run('apps/distributed/main.ts', ...places()).ended).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      'distributed.conf:2: [queue] connection = "nowhere": expected empty, redis://',
    ),
  });
});

async function ownName(): Promise<string> {
  return (await readFile('/proc/self/comm', 'utf8')).trim();
}
