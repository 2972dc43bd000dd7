import { execFile, execFileSync } from 'node:child_process';
import { mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { analysisDir, fillAnalysis } from '#storage/analyses.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, drive, leave, submit } from '../support/api-client.js';

const run = promisify(execFile);

let api: TestApi;
/** An analysis folder with something of everything in it. */
let id: number;

function dirOf(task: number): string {
  return analysisDir(api.context.home.analyses, task);
}

/** A download, kept as a file of its own. */
async function fetchFile(path: string, name: string): Promise<{ file: string; headers: Headers }> {
  const answer = await fetch(`${api.url}${path}`);
  expect({ path, status: answer.status }).toEqual({ path, status: 200 });
  const bytes = Buffer.from(await answer.arrayBuffer());
  expect(answer.headers.get('content-length')).toBe(String(bytes.length));
  const file = join(api.context.home.dir, name);
  await writeFile(file, bytes);
  return { file, headers: answer.headers };
}

/** Members as the real tar program lists them; it finds the compression itself. */
async function membersOf(file: string): Promise<string[]> {
  return (await run('tar', ['--list', '--file', file])).stdout.split('\n').filter(Boolean);
}

async function unpack(file: string): Promise<string> {
  const to = `${file}.d`;
  await mkdir(to);
  await run('tar', ['--extract', '--file', file, '--directory', to]);
  return to;
}

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: downloads', () => {
  beforeAll(async () => {
    api = await startApi();
    id = await submit(api, 'a.sh', 'the sample');
    const details = await api.context.tasks.find(id);
    if (!details) throw new Error('no task');
    const dir = analysisDir(api.context.home.analyses, id);
    await mkdir(dir, { recursive: true });
    await fillAnalysis(dir, api.context.home, details.task);
    for (const [name, content] of [
      ['reports/report.json', '{"info":{"id":1}}'],
      ['files/0123456789abcdef_a b.exe', 'dropped'],
      [`files/${'n'.repeat(150)}é`, 'a long name'],
      ['files.json', '{}\n'],
      ['logs/12.bson', ''],
      ['memory/12-1.dmp', 'process memory'],
      ['memory.dmp', 'machine memory'],
      ['aux/amsi_etw/x', 'deep'],
      ['dump.pcap', 'packets'],
      ['task.json', '{}'],
    ] as const)
      await leave(api, id, name, content);
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('all: everything by its name in the folder, the sample itself, not the memory of the machine', async () => {
    await symlink('/etc', join(dirOf(id), 'files', 'etc'));
    await symlink('/etc/passwd', join(dirOf(id), 'files', 'passwd'));
    await symlink('nowhere', join(dirOf(id), 'dangling'));
    execFileSync('mkfifo', [join(dirOf(id), 'logs', 'pipe')]);
    const { file, headers } = await fetchFile(`/tasks/report/${id}/all`, 'all.tar.bz2');
    expect(headers.get('content-type')).toBe('application/x-tar; charset=UTF-8');
    expect(headers.get('content-disposition')).toBe(`attachment; filename="${id}-all.tar.bz2"`);
    expect((await readFile(file)).subarray(0, 3).toString()).toBe('BZh');
    const members = await membersOf(file);
    expect(members.map((name) => name.replace(/n{150}.*/, 'long'))).toEqual([
      ...['aux/', 'aux/amsi_etw/', 'aux/amsi_etw/x', 'binary', 'buffer/', 'dump.pcap', 'extracted/'],
      ...['files/', 'files/0123456789abcdef_a b.exe', 'files/long', 'files.json', 'logs/', 'logs/12.bson'],
      ...['memory/', 'memory/12-1.dmp', 'package_files/', 'reports/', 'reports/report.json', 'shots/'],
      'task.json',
    ]);
    const to = await unpack(file);
    expect(await readFile(join(to, 'binary'), 'utf8')).toBe('the sample');
    expect(await readFile(join(to, 'files', `${'n'.repeat(150)}é`), 'utf8')).toBe('a long name');
    expect(await readFile(join(to, 'memory', '12-1.dmp'), 'utf8')).toBe('process memory');
  });

  test.each([
    ['', '425a68', 'tar.bz2'],
    ['?tar=bz2', '425a68', 'tar.bz2'],
    ['?tar=xz', '425a68', 'tar.bz2'],
    ['?tar=gz&tar=gz', '425a68', 'tar.bz2'],
    ['?tar=gz', '1f8b08', 'tar.gz'],
    ['?tar=tar', '66696c', 'tar'],
  ])('dropped%s holds files/ and nothing else, packed as asked', async (query, magic, extension) => {
    const { file, headers } = await fetchFile(
      `/v1/tasks/report/[${id}]/Dropped/${query}`,
      `d${magic}${query.length}`,
    );
    expect((await readFile(file)).subarray(0, 3).toString('hex')).toBe(magic);
    expect(headers.get('content-disposition')).toContain(`"${id}-dropped.${extension}"`);
    const members = await membersOf(file);
    expect(members[0]).toBe('files/');
    expect(members).toHaveLength(3);
  });

  test('an archive of what is not there is valid and empty, one of an unknown task is not found', async () => {
    const empty = await submit(api, 'e', 'e');
    await leave(api, empty, 'analysis.log', '');
    for (const format of ['dropped', 'package_files']) {
      for (const query of ['', '?tar=gz', '?tar=tar']) {
        const { file } = await fetchFile(
          `/tasks/report/${empty}/${format}${query}`,
          `${format}${query}.empty`,
        );
        expect(await membersOf(file)).toEqual([]);
      }
    }
    for (const format of ['all', 'dropped', 'package_files', 'json', 'pdf']) {
      expect(await ask(api, `/tasks/report/4242/${format}`)).toMatchObject({
        status: 404,
        body: { message: 'Report not found' },
      });
    }
    expect((await ask(api, '/tasks/report/4242/dist')).body).toEqual({ message: 'Invalid report format' });
  });

  test('files that a running analysis cuts off or lets grow do not spoil the archive', async () => {
    const running = await submit(api, 'running', 'running');
    const log = join(dirOf(running), 'logs', 'big');
    await leave(api, running, 'logs/big', Buffer.alloc(64 * 1024 * 1024, 1));
    const done = new AbortController();
    const meddle = (async () => {
      let size = 1;
      while (!done.signal.aborted) await truncate(log, (size = (size * 7 + 1) % (64 * 1024 * 1024)));
    })();
    const { file } = await fetchFile(`/tasks/report/${running}/all?tar=gz`, 'running.tar.gz');
    done.abort();
    await meddle;
    expect(await membersOf(file)).toEqual(['logs/', 'logs/big']);
  });

  test('a sample link that leads elsewhere is left out', async () => {
    for (const target of ['/etc/passwd', `../../../../etc/${'a'.repeat(64)}`]) {
      const task = await submit(api, 'planted', 'planted');
      await leave(api, task, 'x', '');
      await symlink(target, join(dirOf(task), 'binary'));
      const { file } = await fetchFile(`/tasks/report/${task}/all?tar=tar`, `planted${target.length}.tar`);
      expect(await membersOf(file)).toEqual(['x']);
    }
  });

  test.each([
    ['html', 'report.html', 'text/html; charset=utf-8'],
    ['maec', 'report.maec-1.1.xml', 'application/xml'],
    ['MAEC5', 'report.maec-5.0.json', 'application/json'],
    ['metadata', 'report.metadata.xml', 'application/xml'],
    ['pdf', 'report.pdf', 'application/pdf'],
  ])('%s is %s as %s, with its length, and nothing in it can run', async (format, name, type) => {
    const path = `/tasks/report/${id}/${format}`;
    expect((await ask(api, path)).body).toEqual({ message: 'Report not found' });
    await leave(api, id, `reports/${name}`, '{"a":"b"}');
    const { status, headers } = await ask(api, path);
    expect({ status, type: headers.get('content-type'), length: headers.get('content-length') }).toEqual({
      status: 200,
      type,
      length: '9',
    });
    if (/html|xml/.test(type)) expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  test('?wait holds the report until the task has ended', async () => {
    const task = await submit(api, 'w', 'waited for');
    await drive(api, task, 'running');
    const waiting = ask(api, `/tasks/report/${task}?wait=60`);
    await drive(api, task, 'completed');
    await leave(api, task, 'reports/report.json', '{"done":true}');
    await drive(api, task, 'reported');
    expect((await waiting).body).toEqual({ done: true });
    expect((await ask(api, `/tasks/report/${task}/html?wait=60`)).body).toEqual({
      message: 'Report not found',
    });
    expect((await ask(api, '/tasks/report/4242?wait=60')).body).toEqual({ message: 'Report not found' });
    expect((await ask(api, `/tasks/report/${task}/nonsense?wait=60`)).status).toBe(400);
    expect((await ask(api, `/tasks/report/${task}?wait=long`)).status).toBe(400);
    const pending = await submit(api, 'p', 'never run');
    expect((await ask(api, `/tasks/report/${pending}?wait=0.05`)).status).toBe(404);
  });

  test('dumps of processes are listed by name and given out; the one of the machine has its own path', async () => {
    const none = await submit(api, 'none', 'none');
    const noDump = { status: 404, body: { message: 'Memory dump not found' } };
    expect(await ask(api, `/memory/list/${none}`)).toMatchObject(noDump);
    await leave(api, none, 'memory/12-1.dmp', 'one');
    await leave(api, none, 'memory/odd name', 'two');
    await symlink('/etc/passwd', join(dirOf(none), 'memory', 'passwd.dmp'));
    expect((await ask(api, `/memory/list/${none}`)).body).toEqual({ dump_files: ['12-1', 'odd name'] });
    for (const [name, content, disposition] of [
      ['12-1', 'one', 'attachment; filename="12-1.dmp"'],
      ['12-1.dmp', 'one', 'attachment; filename="12-1.dmp"'],
      ['odd%20name', 'two', "attachment; filename*=UTF-8''odd%20name"],
    ]) {
      const { body, headers } = await ask(api, `/memory/get/${none}/${name}`);
      expect(body).toBe(content);
      expect(headers.get('content-type')).toBe('application/octet-stream; charset=UTF-8');
      expect(headers.get('content-disposition')).toBe(disposition);
    }
    for (const name of ['passwd', '12', '.', '..', '%2e%2e%2ftask.json'])
      expect((await ask(api, `/memory/get/${none}/${name}`)).status).toBe(404);
    expect(await ask(api, `/full_memory/${none}`)).toMatchObject(noDump);
    expect((await ask(api, `/full_memory/${id}/`)).body).toBe('machine memory');
  });

  test('the page is also where the web interface has it', async () => {
    const task = await submit(api, 'page', 'page');
    expect((await ask(api, `/analysis/${task}/summary/`)).status).toBe(404);
    await leave(api, task, 'reports/report.html', '<p>');
    const { body, headers } = await ask(api, `/analysis/${task}/summary/`);
    expect(body).toBe('<p>');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  test('thumbnails are pictures too, and a page among them is not shown as one', async () => {
    const task = await submit(api, 'shots', 'shots');
    for (const name of ['0001.jpg', '0001_small.jpg', '0002.html', '0003.svg', '0004.png'])
      await leave(api, task, `shots/${name}`, name);
    await symlink('/etc/passwd', join(dirOf(task), 'shots', '0005.jpg'));
    const { file, headers } = await fetchFile(`/tasks/screenshots/${task}`, 'shots.zip');
    expect(headers.get('content-disposition')).toBe(`attachment; filename="${task}-screenshots.zip"`);
    const list =
      'import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);assert z.testzip() is None;print(*z.namelist())';
    expect((await run('python3', ['-c', list, file])).stdout.trim()).toBe(
      '0001.jpg 0001_small.jpg 0002.html 0003.svg 0004.png',
    );
    for (const [shot, type] of [
      ['0001', 'image/jpeg'],
      ['0001_small', 'image/jpeg'],
      ['0001_small.jpg', 'image/jpeg'],
      ['0002', 'image/jpeg'],
      ['0003', 'image/jpeg'],
      ['0004', 'image/png'],
    ] as const) {
      const one = await ask(api, `/tasks/screenshots/${task}/${shot}`);
      expect({ shot, type: one.headers.get('content-type') }).toEqual({ shot, type });
      expect(one.headers.get('x-content-type-options')).toBe('nosniff');
    }
    expect((await ask(api, `/tasks/screenshots/${task}/0005`)).body).toEqual({
      message: 'Screenshot not found!',
    });
  });

  test('what has nothing behind it is refused in the words that clients know', async () => {
    expect(await ask(api, '/vpn/status')).toMatchObject({
      status: 500,
      body: { message: 'Rooter not available' },
    });
    expect(await ask(api, '/v1/exit')).toMatchObject({
      status: 403,
      body: { message: 'This call can only be used in debug mode' },
    });
  });
});
