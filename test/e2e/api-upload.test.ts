import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { ask, form, postRaw, submit, viewTask } from '../support/api-client.js';

let api: TestApi;

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: forms as clients send them', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('vector 15: an upload named by a path is stored elsewhere, under its last part', async () => {
    const victim = join(api.context.home.dir, 'victim.txt');
    await writeFile(victim, 'unharmed');
    const body = `--XX\nContent-Disposition: form-data; name="file"; filename="${victim}"\n\nharm\n--XX--\n`;
    const { body: made } = await postRaw(api, '/tasks/create/file', body);
    const { task } = (await ask(api, `/tasks/view/${made.task_id}`)).body;
    expect(basename(task.target)).toBe('victim.txt');
    expect(task.target).not.toBe(victim);
    expect(await readFile(task.target, 'utf8')).toBe('harm');
    expect(await readFile(victim, 'utf8')).toBe('unharmed');
  });

  test.each([
    ['filename="/Users/x/a.exe"', 'a.exe'],
    ['filename="C:\\x\\b.exe"', 'b.exe'],
    ['filename="c.exe";', 'c.exe'],
    ["filename*=UTF-8''d%20%C3%A9.exe", 'd é.exe'],
    ['filename="e%20f.exe"', 'e f.exe'],
    ['filename="100%.exe"', '100%.exe'],
    ['filename="folder/"', 'folder'],
    ['filename="%2e%2e%2fetc%2fpasswd"', 'passwd'],
    ['filename="é.exe"', 'é.exe'],
  ])('the file name of %s is %s', async (disposition, name) => {
    const { body } = await postRaw(
      api,
      '/tasks/create/file',
      `--XX\nContent-Disposition: form-data; name="file"; ${disposition}\nContent-Type: application/octet-stream\n\n${name}\n--XX--\n`,
    );
    const { task } = (await ask(api, `/tasks/view/${body.task_id}`)).body;
    expect(basename(task.target)).toBe(name);
  });

  test.each(['filename=""', '', 'filename=".."', 'filename="a%00b"'])(
    'a file part with %j is called by its hash',
    async (disposition) => {
      const { status, body } = await postRaw(
        api,
        '/tasks/create/file',
        `--XX\nContent-Disposition: form-data; name="file"; ${disposition}\n\nsome bytes\n--XX--\n`,
      );
      expect(status).toBe(200);
      const { task } = (await ask(api, `/tasks/view/${body.task_id}`)).body;
      expect(basename(task.target)).toBe(createHash('sha256').update('some bytes').digest('hex'));
    },
  );

  test('a very long name is cut to what a file system takes, and keeps its extension', async () => {
    const id = await submit(api, `${'é'.repeat(300)}.docx`, 'long');
    const name = basename((await viewTask(api, id)).target);
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
    expect(name).toMatch(/^é+\.docx$/);
  });

  test('other file parts are ignored; of two files the first counts; fields may come after', async () => {
    const part = (name: string, file: string, content: string) =>
      `--XX\nContent-Disposition: form-data; name="${name}"; filename="${file}"\n\n${content}\n`;
    const late =
      '--XX\nContent-Disposition: form-data; name="custom"\nContent-Type: plain/text\n\nlate\n--XX--\n';
    const { body } = await postRaw(
      api,
      '/tasks/create/file',
      part('filename', 'z', 'zzz') + part('file', 'a', 'aaa') + part('file', 'b', 'bbb') + late,
    );
    const { task } = (await ask(api, `/tasks/view/${body.task_id}`)).body;
    expect([basename(task.target), task.custom]).toEqual(['a', 'late']);
  });

  test('a URL may be sent as a file part with an empty name, or in an urlencoded form', async () => {
    const odd = await postRaw(
      api,
      '/tasks/create/url',
      '--XX\nContent-Disposition: form-data; name="url"; filename=""\n\nexample.org\n--XX--\n',
    );
    const encoded = await ask(api, '/tasks/create/url', {
      method: 'POST',
      body: new URLSearchParams({ url: 'example.org', timeout: '5' }),
    });
    for (const { body } of [odd, encoded]) {
      expect((await viewTask(api, body.task_id)).target).toBe('example.org');
    }
  });

  test.each([
    ['no body', {}],
    ['an empty form', { body: new URLSearchParams() }],
    ['an empty url', { body: new URLSearchParams({ url: ' ' }) }],
    ['a line break', { body: new URLSearchParams({ url: 'http://x/\r\nHost: y' }) }],
    ['a URL of 9000 letters', { body: new URLSearchParams({ url: 'x'.repeat(9000) }) }],
    ['JSON', { body: '{"url":"http://x/"}', headers: { 'content-type': 'application/json' } }],
    ['no boundary', { body: 'x', headers: { 'content-type': 'multipart/form-data' } }],
    [
      'another boundary',
      { body: '--YY\r\n\r\n', headers: { 'content-type': 'multipart/form-data; boundary=XX' } },
    ],
  ])('create/url with %s is a 4xx with a message', async (_what, init) => {
    const { status, body } = await ask(api, '/tasks/create/url', { method: 'POST', ...init });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(Object.keys(body as object)).toEqual(['message']);
  });

  test('create/file without a file is a 400 that says what is missing', async () => {
    const { status, body } = await ask(api, '/tasks/create/file', {
      method: 'POST',
      body: form({ file: 'only text', x: 'y' }),
    });
    // A part named `file` is a file whatever it says about itself.
    expect(status).toBe(200);
    expect(body.task_id).toBeGreaterThan(0);
    const none = await ask(api, '/tasks/create/file', { method: 'POST', body: form({ x: 'y' }) });
    expect(none).toMatchObject({ status: 400, body: { message: expect.stringContaining('"file"') } });
  });

  test('an upload beyond the limit is refused with 413 and leaves nothing', async () => {
    await using small = await startApi('[api]\nupload_max_size = 1000\n');
    const { status, body } = await ask(small, '/tasks/create/file', {
      method: 'POST',
      body: form({}, { name: 'big', content: Buffer.alloc(2_000_000) }),
    });
    expect(status).toBe(413);
    expect(body.message).toContain('1000 bytes');
    expect(await readdir(small.context.home.binaries)).toEqual([]);
    expect((await ask(small, '/tasks/list')).body).toEqual({ tasks: [] });
  });

  test('a client that goes away mid-upload leaves no file and no task', async () => {
    await using fresh = await startApi();
    const { port } = new URL(fresh.url);
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      'POST /tasks/create/file HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\nContent-Type: multipart/form-data; boundary=XX\r\n\r\n' +
        '--XX\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
    );
    socket.write(Buffer.alloc(500_000, 'x'));
    const { binaries } = fresh.context.home;
    const names = async () => readdir(binaries).catch(() => []);
    while ((await names()).length === 0) await sleep(5);
    socket.destroy();
    for (let waited = 0; (await names()).length > 0 && waited < 3000; waited += 10) await sleep(10);
    expect(await names()).toEqual([]);
    expect((await ask(fresh, '/tasks/list')).body).toEqual({ tasks: [] });
    expect(fresh.log.filter((line) => line.startsWith('error'))).toEqual([]);
  });

  test('without disk space nothing is accepted, and the answer says how much is missing', async () => {
    await using full = await startApi('[cuckoo]\nfreespace = 999999999\n');
    const { status, body } = await ask(full, '/tasks/create/file', {
      method: 'POST',
      body: form({}, { name: 'a', content: 'a' }),
    });
    expect(status).toBe(507);
    expect(body.message).toMatch(/^Only \d+ MB are free in .*999999999 MB must be/);
  });
});
