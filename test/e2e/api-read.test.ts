import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openWorker, PROCESSING_QUEUE } from '#queue/queues.js';
import { analysisDir } from '#storage/analyses.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, drive, leave, submit } from '../support/api-client.js';
import { ON } from '../support/task.js';

const run = promisify(execFile);
const JS = "eval('alert(1)')";
const JS_MD5 = 'f2d886558b2866065c3da842bfe13ce6';
const JS_SHA256 = 'c6039bfcdfdfbf714caa94a3bb837a6a4907f3f84ed580ce2916bae7676b68f9';

let api: TestApi;

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: tasks, reports and files', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('vector 10: a running task cannot be deleted, a completed one can, with its folder', async () => {
    const id = await submit(api, 'd.js', JS);
    await leave(api, id, 'reports/report.json', '{}');
    await drive(api, id, 'running');
    expect(await ask(api, `/tasks/delete/${id}`)).toMatchObject({
      status: 500,
      body: { message: 'The task is currently being processed, cannot delete' },
    });
    await drive(api, id, 'completed');
    const { status, body } = await ask(api, `/tasks/delete/${id}`);
    expect({ status, body }).toEqual({ status: 200, body: { status: 'OK' } });
    expect(await ask(api, `/tasks/view/${id}`)).toMatchObject({
      status: 404,
      body: { message: 'Task not found' },
    });
    expect(await ask(api, `/tasks/delete/${id}`)).toMatchObject({
      status: 404,
      body: { message: 'Task not found' },
    });
    expect((await ask(api, `/tasks/report/${id}`)).status).toBe(404);
    expect((await ask(api, `/files/view/sha256/${JS_SHA256}`)).body.sample.tasks).not.toContain(id);
  });

  test('a completed task whose report is being written cannot be deleted', async () => {
    const id = await submit(api, 'w.js', JS);
    await drive(api, id, 'running', 'completed');
    await api.context.queues.enqueueProcessing({ id, priority: 1 });
    const release = new AbortController();
    const hold = once(release.signal, 'abort');
    const worker = openWorker(PROCESSING_QUEUE, api.context.queues.redis, async () => {
      await hold;
    });
    worker.on('error', () => {});
    await once(worker, 'active');
    expect((await ask(api, `/tasks/delete/${id}`)).status).toBe(500);
    release.abort();
    await worker.close();
    expect((await ask(api, `/tasks/delete/${id}`)).status).toBe(200);
  });

  test('vector 12: a sample is found by id, md5, sha1 and sha256, and can be fetched', async () => {
    await submit(api, 'v.js', JS);
    const { body } = await ask(api, `/files/view/sha256/${JS_SHA256.toUpperCase()}`);
    for (const [kind, value] of [
      ['id', String(body.sample.id)],
      ['md5', JS_MD5],
      ['sha1', body.sample.sha1],
    ]) {
      expect((await ask(api, `/files/view/${kind}/${value}`)).body).toEqual(body);
    }
    for (const path of [
      'id/69000',
      'id/99999999999999999999',
      'id/x',
      `md5/zzz${JS_MD5.slice(3)}`,
      `sha256/zzz${JS_SHA256.slice(3)}`,
    ]) {
      expect(await ask(api, `/files/view/${path}`)).toMatchObject({
        status: 404,
        body: { message: 'File not found' },
      });
    }
    for (const path of ['id/0', `foo/${JS_MD5}`]) {
      expect(await ask(api, `/files/view/${path}`)).toMatchObject({
        status: 400,
        body: { message: 'Invalid lookup term' },
      });
    }
    const got = await ask(api, `/files/get/${JS_SHA256}`);
    expect(got).toMatchObject({ status: 200, body: JS });
    expect(got.headers.get('content-type')).toBe('application/octet-stream; charset=UTF-8');
    expect(got.headers.get('content-length')).toBe('16');
    for (const path of ['x', 'a'.repeat(64), '..%2f..%2fmalkoha.db', '%2e%2e']) {
      expect(await ask(api, `/files/get/${path}`)).toMatchObject({
        status: 404,
        body: { message: expect.any(String) },
      });
    }
  });

  test('vector 13: completed_after is strict, status and owner filter', async () => {
    await using fresh = await startApi();
    const { tasks } = fresh.context;
    for (const [id, when] of [
      [await submit(fresh, '1', 'one', { owner: 'ann' }), '2020-01-01T00:00:00Z'],
      [await submit(fresh, '2', 'two'), '2020-01-02T00:00:00Z'],
    ] as const) {
      await tasks.runs.claim(id, 'w', ON);
      await tasks.move(id, 'running', 'completed', { completedOn: new Date(when) });
    }
    await submit(fresh, '3', 'three');
    const list = async (query: string) => (await ask(fresh, `/tasks/list?${query}`)).body.tasks;
    expect(await list('completed_after=1577000000')).toMatchObject([
      { id: 1, status: 'completed' },
      { id: 2, status: 'completed' },
    ]);
    expect(await list('completed_after=1577836800')).toMatchObject([{ id: 2 }]);
    expect(await list('status=completed')).toHaveLength(2);
    expect(await list('status=pending')).toMatchObject([{ id: 3 }]);
    expect(await list('status=nonsense')).toEqual([]);
    expect(await list('owner=ann')).toMatchObject([{ id: 1 }]);
    expect((await list('ids=1&status=completed')).map((task) => Object.keys(task))).toEqual([
      ['id', 'completed_on'],
      ['id', 'completed_on'],
    ]);
    expect((await list('')).map((task) => task.id)).toEqual([3, 1, 2]);
    expect(await ask(fresh, '/tasks/list?completed_after=yesterday')).toMatchObject({ status: 400 });
  });

  test('vector 14: status has every key its readers need', async () => {
    const { status, body } = await ask(api, '/cuckoo/status');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      version: expect.any(String),
      protocol_version: 1,
      hostname: hostname(),
      tools: ['vanilla'],
      machines: { available: 0, total: 0 },
      tasks: {
        reported: expect.any(Number),
        running: expect.any(Number),
        total: expect.any(Number),
        completed: expect.any(Number),
        pending: expect.any(Number),
      },
      cpuload: [expect.any(Number), expect.any(Number), expect.any(Number)],
      cpu_count: expect.any(Number),
      memory: expect.any(Number),
      memavail: expect.any(Number),
      memtotal: expect.any(Number),
    });
    for (const place of ['analyses', 'binaries', 'temporary'] as const) {
      const { free, total, used } = body.diskspace[place];
      expect(free + used).toBe(total);
    }
  });

  test('a report is served with its length; formats and absences are told apart', async () => {
    const id = await submit(api, 'r', 'r');
    expect(await ask(api, `/tasks/report/${id}`)).toMatchObject({
      status: 404,
      body: { message: 'Report not found' },
    });
    await leave(api, id, 'reports/report.json', '{"info":{"id":1}}');
    await leave(api, id, 'reports/report.html', '<p>é</p>');
    for (const path of [
      `/tasks/report/${id}`,
      `/tasks/report/${id}/JSON`,
      `/v1/tasks/report/[${id}]/json/`,
    ]) {
      const { status, headers, body } = await ask(api, path);
      expect({ status, body }).toEqual({ status: 200, body: { info: { id: 1 } } });
      expect(headers.get('content-length')).toBe('17');
      expect(headers.get('content-type')).toBe('application/json');
    }
    const html = await ask(api, `/tasks/report/${id}/html`);
    expect(html.body).toBe('<p>é</p>');
    expect(html.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(html.headers.get('content-security-policy')).toContain("default-src 'none'");
    for (const which of [id, 4242]) {
      expect(await ask(api, `/tasks/report/${which}/foo`)).toMatchObject({
        status: 400,
        body: { message: 'Invalid report format' },
      });
    }
  });

  test('a link in an analysis folder is not followed', async () => {
    const id = await submit(api, 'l', 'l');
    await leave(api, id, 'reports/x', '');
    const dir = analysisDir(api.context.home.analyses, id);
    await symlink('/etc/passwd', join(dir, 'reports', 'report.json'));
    await symlink('/etc/passwd', join(dir, 'dump.pcap'));
    expect((await ask(api, `/tasks/report/${id}`)).status).toBe(404);
    expect((await ask(api, `/pcap/get/${id}`)).status).toBe(404);
  });

  test('screenshots: one, all as a zip that unzip takes, none as an empty zip', async () => {
    const id = await submit(api, 's', 's');
    const zipOf = async () =>
      Buffer.from(await (await fetch(`${api.url}/tasks/screenshots/${id}`)).arrayBuffer());
    expect(await ask(api, `/tasks/screenshots/${id}`)).toMatchObject({
      status: 404,
      body: { message: 'Task not found' },
    });
    await mkdir(join(analysisDir(api.context.home.analyses, id), 'shots'), { recursive: true });
    expect((await zipOf()).subarray(0, 4)).toEqual(Buffer.from('PK\x05\x06'));
    await leave(api, id, 'shots/0001.jpg', Buffer.from([0xff, 0xd8, 1]));
    await leave(api, id, 'shots/0002.jpg', Buffer.from([0xff, 0xd8, 2]));
    const answer = await fetch(`${api.url}/tasks/screenshots/${id}`);
    expect(answer.headers.get('content-type')).toBe('application/zip');
    const zip = Buffer.from(await answer.arrayBuffer());
    expect(answer.headers.get('content-length')).toBe(String(zip.length));
    const file = join(api.context.home.dir, 'shots.zip');
    await writeFile(file, zip);
    const names =
      "import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);assert z.testzip() is None;print(','.join(z.namelist()))";
    expect((await run('python3', ['-c', names, file])).stdout.trim()).toBe('0001.jpg,0002.jpg');
    const one = await fetch(`${api.url}/tasks/screenshots/${id}/0002`);
    expect(one.headers.get('content-type')).toBe('image/jpeg');
    expect(Buffer.from(await one.arrayBuffer())).toEqual(Buffer.from([0xff, 0xd8, 2]));
    for (const name of ['0003', '..', '%2e%2e%2freports', '%2fetc%2fpasswd']) {
      expect((await ask(api, `/tasks/screenshots/${id}/${name}`)).status).toBe(404);
    }
  });

  test('the capture is served as it is', async () => {
    const id = await submit(api, 'p', 'p');
    expect(await ask(api, `/pcap/get/${id}`)).toMatchObject({
      status: 404,
      body: { message: 'File not found' },
    });
    await leave(api, id, 'dump.pcap', 'pcap');
    const { headers, body } = await ask(api, `/pcap/get/${id}`);
    expect(body).toBe('pcap');
    expect(headers.get('content-type')).toBe('application/octet-stream; charset=UTF-8');
    expect(headers.get('content-length')).toBe('4');
  });

  test('a long list is streamed whole and in order', async () => {
    await using fresh = await startApi();
    await fresh.context.db.query(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)
       INSERT INTO tasks (target, category, added_on) SELECT 'http://x/', 'url', '2020-01-01 00:00:00.000' FROM n`,
    );
    const { body, headers } = await ask(fresh, '/tasks/list');
    expect(body.tasks.map((task) => task.id)).toEqual(Array.from({ length: 450 }, (_, n) => n + 1));
    expect(headers.get('content-type')).toBe('application/json');
    expect((await ask(fresh, '/tasks/list/300/100')).body.tasks).toHaveLength(300);
  });
});
