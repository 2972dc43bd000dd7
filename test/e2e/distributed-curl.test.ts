import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, jest, test } from '@jest/globals';
import type { Report } from '#domain/report.js';
import { freePort, makeHome, malkoha, start, type Home, type Running } from '../support/malkoha.js';

const run = promisify(execFile);
jest.setTimeout(240_000);

/** A daemon in its home folder; Ctrl-C ends it properly, also when an expectation failed. */
async function daemon(home: Home, said: RegExp, ...args: string[]) {
  const running: Running = start(home, ...args);
  const interrupt = async () => {
    running.process.kill('SIGINT');
    return (await running.ended).code;
  };
  await running.said(said);
  return {
    interrupt,
    [Symbol.asyncDispose]: async () => {
      await interrupt();
    },
  };
}

test("the founding document's quick usage, as a newcomer would begin: one node, curl, and `malkoha node`", async () => {
  await using lab = await makeHome('[cuckoo]\nmachinery = fake\n');
  await using node = await daemon(lab, /Malkoha is up/, 'up');
  await using home = await makeHome();
  const port = String(await freePort());
  const folders = [
    '--samples-directory',
    join(home.dir, 'samples'),
    '--reports-directory',
    join(home.dir, 'reports'),
  ];
  const formats = ['--report-formats', 'json, html,maec'];
  await using controller = await daemon(
    home,
    /the Distributed API is up/,
    'distributed',
    '127.0.0.1',
    port,
    ...folders,
    ...formats,
  );

  const sample = join(home.dir, 'sample.exe');
  await mkdir(home.dir, { recursive: true });
  await writeFile(sample, '#!/bin/sh\nexit 0\n');
  /** A line of the document; only its addresses and the path are changed. */
  const shell = async (line: string): Promise<string> => {
    const placed = line
      .replaceAll('localhost:9003', `localhost:${port}`)
      .replaceAll('localhost:8090', `localhost:${lab.port}`)
      .replaceAll('/path/to/sample.exe', sample)
      .replace(/^curl/, "curl -sS -w '\\n%{http_code} %{content_type}'");
    return (await run('sh', ['-c', placed])).stdout;
  };
  const answer = async (line: string) => {
    const [, body = '', status, type] = /^([^]*)\n(\d+) (.*)$/.exec(await shell(line)) ?? [];
    return { body, status: Number(status), type };
  };
  const cli = async (...args: string[]) => malkoha(home, 'node', ...args, '--port', port);

  const registered = await answer(
    'curl http://localhost:9003/node -F name=localhost -F url=http://localhost:8090/',
  );
  expect(JSON.parse(registered.body)).toMatchObject({
    name: 'localhost',
    machines: expect.arrayContaining([{ name: 'fake1', platform: 'linux', tags: ['fake'] }]),
  });
  const checked = await cli('check', 'localhost');
  expect(checked).toMatchObject({ code: 0, stderr: '' });

  const submitted = await answer('curl http://localhost:9003/task -F file=@/path/to/sample.exe');
  expect(JSON.parse(submitted.body)).toEqual({ task_id: 1 });
  let report = await answer('curl http://localhost:9003/report/1');
  for (; report.status === 404; report = await answer('curl http://localhost:9003/report/1'))
    await sleep(100);
  expect(report).toMatchObject({ status: 200, type: expect.stringContaining('application/json') });
  expect((JSON.parse(report.body) as Report).target).toMatchObject({ file: { name: 'sample.exe' } });
  const maec = await answer("curl http://localhost:9003/report/1/maec -H 'Accept: application/xml'");
  expect(maec).toMatchObject({ status: 200, type: expect.stringContaining('application/xml') });
  expect(maec.body).toMatch(/^<\?xml [^]*<\/MAEC_Bundle>\s*$/);

  expect(await answer('curl -XDELETE http://localhost:9003/node/localhost')).toMatchObject({
    ...{ status: 200, body: 'null' },
  });
  await answer('curl http://localhost:9003/task -F file=@/path/to/sample.exe');
  expect((await cli('list')).stdout).toMatch(/localhost +disabled/);
  await sleep(500);
  expect((await answer('curl http://localhost:9003/report/2')).status).toBe(404);
  expect(await cli('enable', 'localhost')).toMatchObject({ code: 0 });
  report = await answer('curl http://localhost:9003/report/2');
  for (; report.status === 404; report = await answer('curl http://localhost:9003/report/2'))
    await sleep(100);
  expect(report.status).toBe(200);

  expect(await cli('add', 'other', `http://localhost:${lab.port}/`)).toMatchObject({
    code: expect.any(Number),
    stderr: expect.stringContaining('localhost'),
  });
  expect(await cli('remove', 'localhost')).toMatchObject({ code: 0 });
  expect(await cli('add', 'again', `http://127.0.0.1:${lab.port}`)).toMatchObject({ code: 0 });
  const listed = JSON.parse((await cli('list', '--json')).stdout) as { nodes: object[] };
  expect(listed.nodes).toMatchObject([{ name: 'again', enabled: true }]);

  expect(await controller.interrupt()).toBe(0);
  expect(await node.interrupt()).toBe(0);
});
