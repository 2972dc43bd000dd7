import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { drive, leave, submit, viewTask, type TaskBody } from '../support/api-client.js';
import { build, configure, malkoha, start, type Ended } from '../support/malkoha.js';
import { onTerminal } from '../support/terminal.js';

/** Each command is a process of its own, on a host that may be busy. */
jest.setTimeout(120_000);

describe('the command line over a real REST API', () => {
  let api: TestApi;
  let folder: string;
  const run = (...args: string[]): Promise<Ended> => malkoha(api.context.home, ...args);

  beforeAll(async () => {
    await build();
    api = await startApi();
    // Of the home folder alone it is known where the API is.
    await configure(api.context.home.dir, `[api]\nport = ${new URL(api.url).port}\n`);
    folder = join(api.context.home.dir, 'samples');
    await mkdir(folder);
    await writeFile(join(folder, 'one.sh'), 'echo one');
    await writeFile(join(folder, 'two.sh'), 'echo two');
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('submit prints the id and nothing else; every option reaches the task', async () => {
    const options = [
      ...['--package', 'sh', '--timeout', '30', '--priority', '3', '--options', 'free=yes,arguments=x'],
      ...[
        '--machine',
        'linux1',
        '--platform',
        'linux',
        '--arch',
        'x86',
        '--tags',
        'a,b',
        '--custom',
        'mine',
        '--owner',
        'ann',
      ],
      ...['--memory', '--enforce-timeout', '--clock', '2026-12-24 18:00:00'],
    ];
    const { code, stdout, stderr } = await run('submit', join(folder, 'one.sh'), ...options);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^\d+\n$/);
    expect(await viewTask(api, Number(stdout))).toMatchObject({
      target: expect.stringMatching(/\/one\.sh$/),
      package: 'sh',
      timeout: 30,
      priority: 3,
      options: 'arguments=x,free=yes',
      machine: 'linux1',
      platform: 'linux',
      tags: ['a', 'b'],
      custom: 'mine',
      owner: 'ann',
      memory: true,
      enforce_timeout: true,
      clock: '2026-12-24 18:00:00',
    });
    expect((await api.context.tasks.get(Number(stdout))).arch).toBe('x86');
  });

  test('a file that the API refuses is named, and those after it are submitted all the same', async () => {
    await writeFile(join(folder, 'before.sh'), 'echo before');
    expect((await run('submit', join(folder, 'before.sh'))).code).toBe(0);
    await writeFile(join(folder, 'zeta.sh'), 'echo zeta');
    const refused = join(folder, 'before.sh');
    const taken = join(folder, 'zeta.sh');
    const { code, stdout, stderr } = await run('submit', refused, taken, '--unique', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      tasks: [
        { task_id: null, target: refused, error: expect.stringContaining('already been submitted') },
        { task_id: expect.any(Number), target: taken },
      ],
    });
    expect(stderr).toBe(
      `malkoha: ${refused}: This file has already been submitted (400 from /tasks/create/file)\n`,
    );
  });

  test('submit --wait ends with the tasks: 1 and the reason when one failed', async () => {
    const waiting = start(api.context.home, 'submit', 'http://a.test/', 'http://b.test/', '--wait', '--json');
    const [, first = ''] = /task (\d+): http:\/\/a/.exec(await waiting.said(/task \d+: http:\/\/a.*/)) ?? [];
    const [, second = ''] = /task (\d+): http:\/\/b/.exec(await waiting.said(/task \d+: http:\/\/b.*/)) ?? [];
    await drive(api, Number(first), 'running', 'completed', 'reported');
    await api.context.tasks.addError(Number(second), null, 'no such machine');
    await drive(api, Number(second), 'failed_analysis');
    const { code, stdout, stderr } = await waiting.ended;
    expect({ code, document: JSON.parse(stdout) as unknown }).toEqual({
      code: 1,
      document: {
        tasks: [
          { task_id: Number(first), target: 'http://a.test/', status: 'reported' },
          {
            task_id: Number(second),
            target: 'http://b.test/',
            status: 'failed_analysis',
            error: 'no such machine',
          },
        ],
      },
    });
    expect(stderr).toContain('malkoha: http://b.test/: no such machine');
  });

  test('list is a table; status and owner filter, limit and offset cut it, and what is left is told', async () => {
    const mine = await submit(api, 'l1', 'l1', { owner: 'lea' });
    const other = await submit(api, 'l2', 'l2', { owner: 'lea' });
    await drive(api, other, 'running');
    const { code, stdout, stderr } = await run('task', 'list', '--owner', 'lea');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      new RegExp(
        `^ *ID  STATUS   ADDED     MACHINE  OWNER  TARGET\n *${mine}  pending  [\\d:]{8} {11}lea    l1\n *${other}  running  [\\d:]{8}  linux1   lea    l2\n$`,
      ),
    );
    const list = async (...args: string[]) => run('task', 'list', '--owner', 'lea', '--json', ...args);
    expect(ids(await list('--status', 'running'))).toEqual([other]);
    expect(ids(await list('--offset', '1'))).toEqual([other]);
    const cut = await list('--limit', '1');
    expect(ids(cut)).toEqual([mine]);
    expect(cut.stderr).toBe('more tasks follow: --offset 1, or a larger --limit\n');
    expect(await run('task', 'list', '--owner', 'nobody')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'no tasks\n',
    });
  });

  test('what others wrote is harmless in tables, and the same in JSON', async () => {
    const evil = '\u009b2J\u202egpj.exe';
    const id = await submit(api, 'evil', 'evil', { owner: evil, custom: '\u001b]0;title\u0007' });
    const shown = [await run('task', 'list', '--owner', evil), await run('task', 'view', String(id))];
    for (const { stdout } of shown) expect(stdout).toContain('\\u009b2J\\u202egpj.exe');
    const json = await run('task', 'view', String(id), '--json');
    for (const { stdout } of [...shown, json]) {
      // eslint-disable-next-line no-control-regex -- looking for them is the test
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
    expect((JSON.parse(json.stdout) as { task: TaskBody }).task).toMatchObject({
      owner: evil,
      custom: '\u001b]0;title\u0007',
    });
  });

  test('view tells all about a task, errors too, and --json what the API says', async () => {
    const id = await submit(api, 'view.sh', '#!/bin/sh\n', { options: 'free=yes', timeout: '90' });
    await api.context.tasks.addError(id, null, 'it did not start');
    await drive(api, id, 'running', 'failed_analysis');
    const { stdout } = await run('task', 'view', String(id));
    expect(stdout).toMatch(new RegExp(`^task ${id}  failed_analysis\n`));
    for (const line of [
      /^ {2}target +view\.sh$/m,
      /^ {2}timeout +1 min 30 s$/m,
      /^ {2}error +it did not start$/m,
    ]) {
      expect(stdout).toMatch(line);
    }
    const json = JSON.parse((await run('task', 'view', String(id), '--json')).stdout) as object;
    expect(json).toEqual({ task: await viewTask(api, id) });
  });

  test('delete removes a task; while it runs the refusal is told as it is', async () => {
    const id = await submit(api, 'd', 'd');
    await drive(api, id, 'running');
    expect(await run('task', 'delete', String(id))).toEqual({
      code: 1,
      stdout: '',
      stderr: `malkoha: The task is currently being processed, cannot delete (500 from /tasks/delete/${id})\n`,
    });
    await drive(api, id, 'failed_analysis');
    expect(await run('task', 'delete', String(id), '--json')).toMatchObject({
      code: 0,
      stdout: '{\n  "status": "OK"\n}\n',
    });
    for (const subcommand of ['view', 'delete', 'report', 'watch']) {
      const { code, stdout, stderr } = await run('task', subcommand, String(id));
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(`there is no task ${id}\n`);
      expect(stderr).toContain('malkoha task list');
    }
  });

  test('report is byte for byte what the API has, in a pipe and in a file', async () => {
    const id = await submit(api, 'r', 'r');
    const text = `{"name": "é\u009b", "big": "${'x'.repeat(300_000)}"}`;
    await leave(api, id, 'reports/report.json', text);
    await leave(api, id, 'reports/report.html', '<p>');
    expect(await run('task', 'report', String(id), '--json')).toEqual({ code: 0, stdout: text, stderr: '' });
    const file = join(folder, 'out.html');
    await writeFile(file, 'an older report, longer than the new one');
    const saved = await run('task', 'report', String(id), '--format', 'html', '-o', file, '--json');
    expect(JSON.parse(saved.stdout)).toEqual({ task_id: id, format: 'html', file, bytes: 3 });
    expect(await readFile(file, 'utf8')).toBe('<p>');
  });

  test('a report that cannot be had leaves no file, and the reason is told', async () => {
    const id = String(await submit(api, 'r2', 'r2'));
    const before = await readdir(folder);
    for (const [args, code, sentence] of [
      [[], 1, `task ${id} has no json report: it is pending`],
      [['--format', 'nonsense'], 1, 'Invalid report format'],
      [['--format', '../x'], 2, '--format takes a word'],
      [['--format', 'html', '--json'], 2, '--json goes with'],
    ] as const) {
      const output = code === 1 ? ['-o', join(folder, 'none')] : [];
      const ended = await run('task', 'report', id, ...args, ...output);
      expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(sentence) });
    }
    await leave(api, Number(id), 'reports/report.json', '{}');
    expect(await run('task', 'report', id, '-o', join(folder, 'no', 'such'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`cannot write ${join(folder, 'no', 'such')}`),
    });
    expect(await readdir(folder)).toEqual(before);
  });

  test('watch follows a task to its end, with the reason when it failed', async () => {
    const [good, bad] = [await submit(api, 'w1', 'w1'), await submit(api, 'w2', 'w2')];
    const lines = start(api.context.home, 'task', 'watch', String(good), '--json');
    const table = start(api.context.home, 'task', 'watch', String(bad));
    await drive(api, good, 'running', 'completed', 'reported');
    await drive(api, bad, 'running');
    await api.context.tasks.addError(bad, null, 'the guest was lost');
    await drive(api, bad, 'failed_analysis');
    const { code, stdout } = await lines.ended;
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(code).toBe(0);
    expect(events.at(-1)).toMatchObject({
      task: good,
      kind: 'status',
      status: 'reported',
      at: expect.any(String),
    });
    const failed = await table.ended;
    expect(failed).toMatchObject({ code: 1, stderr: `malkoha: task ${bad}: the guest was lost\n` });
    expect(failed.stdout).toMatch(new RegExp(`\n?\\d\\d:\\d\\d:\\d\\d  task ${bad} +failed_analysis\n$`));
  });

  test('Ctrl-C ends a watch with 130, and the task goes on', async () => {
    const id = await submit(api, 'c', 'c');
    const watching = start(api.context.home, 'submit', 'http://c.test/', '--wait');
    await watching.said(/task \d+/);
    const other = start(api.context.home, 'task', 'watch', String(id));
    await new Promise((resolve) => other.process.stdout?.once('data', resolve));
    watching.process.kill('SIGINT');
    other.process.kill('SIGINT');
    expect(await watching.ended).toMatchObject({ code: 130, stderr: expect.stringContaining('goes on') });
    expect(await other.ended).toMatchObject({ code: 130, stderr: '' });
    expect(await viewTask(api, id)).toMatchObject({ status: 'pending' });
  });

  test('colour only on a terminal, unless NO_COLOR is set; lines end where the terminal does', async () => {
    const owner = 'col';
    await submit(api, `${'long-'.repeat(40)}.sh`, 'col', { owner });
    const args = ['task', 'list', '--owner', owner, '--home', api.context.home.dir];
    const { screen } = await onTerminal(args);
    expect(screen).toContain('\u001b[2mpending\u001b[0m');
    const plain = await onTerminal(args, { NO_COLOR: '1' });
    expect(plain.screen).not.toContain('\u001b');
    const [, row = ''] = plain.screen.split('\n');
    expect(row).toHaveLength(80);
    expect(row).toMatch(/…$/);
    const piped = await run('task', 'list', '--owner', owner);
    expect(piped.stdout).not.toContain('\u001b');
    expect(piped.stdout).toContain('long-.sh\n');
  });

  test('a report on a terminal cannot move its cursor', async () => {
    const id = await submit(api, 't', 't');
    await leave(api, id, 'reports/report.html', '<p>\u001b[2J\u009b8m</p>');
    const { code, screen } = await onTerminal([
      ...['task', 'report', String(id), '--format', 'html', '--home', api.context.home.dir],
    ]);
    expect({ code, screen }).toEqual({ code: 0, screen: '<p>\\u001b[2J\\u009b8m</p>' });
  });
});

function ids({ stdout }: Ended): readonly number[] {
  return (JSON.parse(stdout) as { tasks: readonly TaskBody[] }).tasks.map(({ id }) => id);
}
