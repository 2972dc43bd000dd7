import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { readdir, readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { SubmitRow } from '#storage/entities/submit.entity.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, form, post, postRaw, submit, viewTask, type TaskBody } from '../support/api-client.js';
import { mail, pack, rawCab, rawIso, rawRar, rawZip } from '../support/archives.js';

/** Each container starts a thread that loads 7-Zip. */
jest.setTimeout(120_000);

interface Submitted {
  readonly submit_id: number;
  readonly task_ids: readonly number[];
  readonly errors: readonly string[];
}

interface SentFile {
  readonly name: string;
  readonly content: string | Buffer<ArrayBuffer>;
}

const PDF = Buffer.alloc(680, '%PDF-1.4 ');
const SCRIPT = '#!/bin/sh\necho hi\n';

let api: TestApi;

async function submitAll(
  files: readonly SentFile[],
  fields: Readonly<Record<string, string>> = {},
  to: TestApi = api,
): Promise<Submitted> {
  const data = form(fields);
  for (const { name, content } of files) data.append('files', new Blob([content]), name);
  const { status, body } = await post(to, '/tasks/create/submit', data);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body as unknown as Submitted;
}

async function views({ task_ids }: Submitted, from: TestApi = api): Promise<TaskBody[]> {
  return Promise.all(task_ids.map((id) => viewTask(from, id)));
}

/** Options as an object, for comparisons. */
const options = (task: TaskBody | undefined): unknown =>
  Object.fromEntries(new URLSearchParams(String(task?.['options']).replaceAll(',', '&')));

/** Members of the zip that the task's `target` names. */
async function membersOf(task: TaskBody | undefined): Promise<string> {
  return (await readFile(task?.target ?? '')).toString('latin1');
}

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: create/submit', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    expect(await readdir(api.context.home.unpacking).catch(() => [])).toEqual([]);
    const binaries = await readdir(api.context.home.binaries);
    expect(binaries.filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual([]);
    await api[Symbol.asyncDispose]();
  });

  test('vector 6: a file, a zip and a tgz are three tasks; the containers are plain zips', async () => {
    await using fresh = await startApi();
    const tar = await pack('pdf0.tar', { 'files/pdf0.pdf': PDF });
    const files = [
      { name: 'pdf0.pdf', content: PDF },
      { name: 'pdf0.zip', content: await pack('pdf0.zip', { 'files/pdf0.pdf': PDF }) },
      { name: 'pdf0.tgz', content: Buffer.from(gzipSync(tar)) },
    ];
    const answer = await submitAll(files, {}, fresh);
    expect(answer).toEqual({ submit_id: 1, task_ids: [1, 2, 3], errors: [] });
    const [pdf, zip, tgz] = await views(answer, fresh);
    expect(pdf).toMatchObject({ category: 'file', submit_id: 1, sample: { file_size: 680 } });
    expect(options(pdf)).toEqual({ procmemdump: 'yes' });
    for (const task of [zip, tgz]) {
      expect(task).toMatchObject({ category: 'archive', submit_id: 1 });
      expect(basename(task?.target ?? '')).toBe('pdf0.zip');
      expect(options(task)).toEqual({ filename: 'files/pdf0.pdf', procmemdump: 'yes' });
      expect(await membersOf(task)).toContain('files/pdf0.pdf');
    }
    // The same content, packed twice: one sample, and the second is marked.
    expect(tgz?.['sample_id']).toBe(zip?.['sample_id']);
    const { data } = await fresh.context.db.manager.findOneByOrFail(SubmitRow, { id: 1 });
    expect(data.tasks.map((task) => [task.id, task.duplicateOf])).toEqual([
      [1, null],
      [2, 1],
      [3, 1],
    ]);
  });

  test('vector 7: options are translated, memory and enforce_timeout are kept', async () => {
    const fields = { options: 'procmemdump=no,free=1,human=no', memory: 'True', enforce_timeout: 'True' };
    const [task] = await views(await submitAll([{ name: 'a', content: 'a' }], { ...fields, package: 'exe' }));
    expect(task).toMatchObject({ memory: true, enforce_timeout: true, package: null });
    expect(options(task)).toEqual({ free: 'yes', human: '0', procmemdump: 'no' });
  });

  test('vector 8: lines of text are URLs, names become URLs, and each other line is an error', async () => {
    const hash = 'D'.repeat(64);
    const strings = `http://google.com\r\ncuckoosandbox.org\n\n  https://1.2.3.4:9001/wow\nnot a url\n${hash}\nftp://x.test/\n`;
    const { body } = await post(api, '/tasks/create/submit', new URLSearchParams({ strings }));
    const answer = body as unknown as Submitted;
    const tasks = await views(answer);
    expect(tasks.map(({ category, target }) => [category, target])).toEqual([
      ['url', 'http://google.com'],
      ['url', 'http://cuckoosandbox.org'],
      ['url', 'https://1.2.3.4:9001/wow'],
    ]);
    expect(answer.errors).toEqual([
      "'not a url' was neither a valid hash or url",
      expect.stringMatching(new RegExp(`^Error retrieving file hash: ${hash}.*no downloader`)),
      "'ftp://x.test/' was neither a valid hash or url",
    ]);
  });

  test.each([
    ['no body', undefined],
    ['an empty form', new URLSearchParams()],
    ['blank strings', new URLSearchParams({ strings: ' \n ' })],
  ])('vector 9: %s is a 500 with its sentence', async (_what, body) => {
    const init = { method: 'POST', ...(body && { body }) };
    expect(await ask(api, '/tasks/create/submit', init)).toMatchObject({
      status: 500,
      body: { message: 'No files or strings have been given!' },
    });
  });

  test('vector 15: a file named by a path is called by its last part; files win over strings', async () => {
    const sent = await postRaw(
      api,
      '/tasks/create/submit',
      '--XX\nContent-Disposition: form-data; name="file"; filename="/etc/passwd"\n\nharm\n' +
        '--XX\nContent-Disposition: form-data; name="strings"\n\nhttp://x.test/\n--XX--\n',
    );
    const [task, ...more] = await views(sent.body as unknown as Submitted);
    expect(basename(task?.target ?? '')).toBe('passwd');
    expect(more).toEqual([]);
  });

  test.each([
    ['a.7z', async () => pack('a.7z', { 'in/a.sh': SCRIPT }), 'in/a.sh'],
    ['a.tar', async () => pack('a.tar', { 'in/a.sh': SCRIPT }), 'in/a.sh'],
    [
      'a.tar.xz',
      async () => pack('a.tar.xz', { 'a.tar': await pack('a.tar', { 'in/a.sh': SCRIPT }) }),
      'in/a.sh',
    ],
    [
      'a.tar.bz2',
      async () => pack('a.bz2', { 'a.tar': await pack('a.tar', { 'in/a.sh': SCRIPT }) }),
      'in/a.sh',
    ],
    ['a.sh.gz', async () => Buffer.from(gzipSync(SCRIPT)), 'a.sh'],
    ['a.cab', async () => rawCab('a.sh', SCRIPT), 'a.sh'],
    ['a.rar', async () => rawRar('in/a.sh', SCRIPT), 'in/a.sh'],
    ['a.iso', async () => rawIso('A.SH;1', SCRIPT), 'A.SH'],
    ['a.eml', async () => mail({ 'a.sh': SCRIPT }), 'a.sh'],
  ])('%s is unpacked', async (name, make, path) => {
    const answer = await submitAll([{ name, content: await make() }]);
    expect(answer.errors).toEqual([]);
    const [task, ...more] = await views(answer);
    expect(more).toEqual([]);
    expect(task).toMatchObject({ category: 'archive' });
    expect(basename(task?.target ?? '')).toMatch(/^a(?:\.sh)?\.zip$/);
    expect(options(task)).toMatchObject({ filename: path });
  });

  test('an encrypted archive opens with the given password, or with one that everybody uses', async () => {
    const usual = await pack('u.7z', { 'u.sh': SCRIPT }, '-pinfected', '-mhe=on');
    const own = await pack('o.zip', { 'o.sh': SCRIPT }, '-pKr3m, O', '-mem=AES256');
    const known = await submitAll([{ name: 'u.7z', content: usual }]);
    expect(known.errors).toEqual([]);
    expect(options((await views(known))[0])).toMatchObject({ filename: 'u.sh' });
    const locked = await submitAll([{ name: 'o.zip', content: own }]);
    expect(locked).toMatchObject({ task_ids: [], errors: [expect.stringContaining('"password"')] });
    const opened = await submitAll([{ name: 'o.zip', content: own }], { password: 'Kr3m, O' });
    expect(opened.errors).toEqual([]);
    expect(options((await views(opened))[0])).toMatchObject({ filename: 'o.sh' });
  });

  test('a mail with an encrypted archive: one level of what is inside is unpacked too', async () => {
    const inner = await pack(
      'i.zip',
      { 'run.sh': SCRIPT, 'deep.zip': await pack('d.zip', { x: 'x' }) },
      '-pinfected',
    );
    const answer = await submitAll([
      { name: 'order.eml', content: mail({ 'invoice.zip': inner, 'note.txt': 'see attachment' }) },
    ]);
    expect((await views(answer)).map((task) => (options(task) as { filename: string }).filename)).toEqual([
      'invoice.zip/deep.zip',
      'invoice.zip/run.sh',
      'note.txt',
    ]);
  });

  test.each([
    ['doc.docx', async () => pack('d.zip', { '[Content_Types].xml': '<a/>', 'word/document.xml': '<b/>' })],
    ['app.jar', async () => pack('d.zip', { 'META-INF/MANIFEST.MF': 'Main-Class: A' })],
    ['broken.zip', async () => Buffer.from('PK\x03\x04 this is no zip')],
    ['text.eml', async () => Buffer.from('hello')],
  ])('%s is a file', async (name, make) => {
    const content = await make();
    const answer = await submitAll([{ name, content }]);
    const [task] = await views(answer);
    expect(task).toMatchObject({
      category: 'file',
      sample: { sha256: createHash('sha256').update(content).digest('hex') },
    });
    expect(answer.errors).toHaveLength(name === 'broken.zip' ? 1 : 0);
  });

  test('names that lead elsewhere stay inside; links and devices come to nothing', async () => {
    const content = rawZip([
      { name: '../../../tmp/a.sh', content: SCRIPT },
      { name: '/etc/cron.d/b.sh', content: SCRIPT },
      { name: 'C:\\Windows\\c,d.sh', content: SCRIPT },
      { name: 'link', content: '/etc/passwd', mode: 0o120777 },
    ]);
    const answer = await submitAll([{ name: 'slip.zip', content }]);
    const tasks = await views(answer);
    const paths = tasks.map((task) => (options(task) as { filename: string }).filename);
    expect(paths).toHaveLength(3);
    for (const path of paths) expect(path).toMatch(/^(?:[^/.:,][^/:,]*\/)*[^/:,]+\.sh$/);
    expect(await membersOf(tasks[0])).not.toContain('passwd');
  });

  test('a zip bomb is refused with a sentence, and the other files of the request are taken', async () => {
    await using small = await startApi('[api]\nupload_max_size = 3000000\n');
    const bomb = await pack('b.zip', { zeros: Buffer.alloc(4_000_000) });
    const many = rawZip(Array.from({ length: 501 }, (_, n) => ({ name: `f${n}`, content: 'x' })));
    const answer = await submitAll(
      [
        { name: 'bomb.zip', content: bomb },
        { name: 'many.zip', content: many },
        { name: 'good.sh', content: SCRIPT },
      ],
      {},
      small,
    );
    expect(answer.errors).toEqual([
      '"bomb.zip" unpacks to more than 3000000 bytes',
      '"many.zip" holds more than 500 files',
    ]);
    expect(answer.task_ids).toHaveLength(1);
    expect(await readdir(small.context.home.unpacking)).toEqual([]);
  });

  test('unique leaves out what is known, containers too, and says so', async () => {
    const zip = await pack('k.zip', { 'k.sh': `${SCRIPT}#unique` });
    await submit(api, 'known', 'known content');
    const files = [
      { name: 'known', content: 'known content' },
      { name: 'k.zip', content: zip },
      { name: 'new', content: 'new content' },
    ];
    const first = await submitAll(files, { unique: 'yes' });
    expect(first.task_ids).toHaveLength(2);
    expect(first.errors).toEqual(['"known": This file has already been submitted']);
    const second = await submitAll(files, { unique: 'yes' });
    expect(second.task_ids).toEqual([]);
    expect(second.errors).toHaveLength(3);
  });

  test('more tasks than one request may make is a 413, and none is made', async () => {
    const before = (await api.context.tasks.counts()).total;
    const strings = Array.from({ length: 501 }, (_, n) => `http://x${n}.test/`).join('\n');
    const { status, body } = await post(api, '/tasks/create/submit', new URLSearchParams({ strings }));
    expect([status, Object.keys(body)]).toEqual([413, ['message']]);
    expect((await api.context.tasks.counts()).total).toBe(before);
  });

  test('once there are too many, no more containers are taken apart', async () => {
    await using own = await startApi();
    const data = new FormData();
    for (const name of ['a', 'b', 'c']) {
      const members = Array.from({ length: 300 }, (_, n) => ({ name: `${name}${n}`, content: name }));
      data.append('files', new Blob([rawZip(members)]), `${name}.zip`);
    }
    expect((await post(own, '/tasks/create/submit', data)).status).toBe(413);
    // Three as they were sent, and the plain zips of two.
    expect(await readdir(own.context.home.binaries)).toHaveLength(5);
  });

  test.each([
    ['a bad field', { timeout: '-1' }, 400],
    ['a NUL in the password', { password: 'a\0b' }, 400],
  ])('%s is refused', async (_what, fields, expected) => {
    const data = form(fields, { name: 'a', content: 'a' });
    expect((await post(api, '/tasks/create/submit', data)).status).toBe(expected);
  });

  test('a client that goes away while its archive is sent leaves nothing', async () => {
    const { port } = new URL(api.url);
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      'POST /tasks/create/submit HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=XX\r\n' +
        'Content-Length: 100000\r\n\r\n--XX\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\nPK\x03\x04',
    );
    const temporary = async () =>
      (await readdir(api.context.home.binaries)).filter((name) => name.startsWith('.upload-'));
    while ((await temporary()).length === 0) await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
    while ((await temporary()).length > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await readdir(join(api.context.home.storage, 'unpacking'))).toEqual([]);
  });

  test('the container as it was sent is a sample that can be asked for', async () => {
    const content = await pack('s.zip', { 's.sh': `${SCRIPT}#sample` });
    await submitAll([{ name: 's.zip', content }]);
    const sha256 = createHash('sha256').update(content).digest('hex');
    expect(await ask(api, `/files/view/sha256/${sha256}`)).toMatchObject({
      status: 200,
      body: { sample: { sha256, tasks: [] } },
    });
  });
});
