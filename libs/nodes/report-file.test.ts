import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { NodeHttp } from './http.js';
import type { FetchedReport } from './node.js';
import type { ReportKind } from './report-kind.js';
import { LIMITS, never, sendJson, serve, serveTcp, type FakeServer } from './server.fake.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reports-'));
});
afterEach(() => rm(folder, { recursive: true }));

const path = () => join(folder, 'report');

async function download(
  { address }: FakeServer,
  { kind = 'json', ...limits }: Partial<typeof LIMITS> & { readonly kind?: ReportKind } = {},
): Promise<FetchedReport> {
  const http = new NodeHttp(address, { ...LIMITS, ...limits });
  try {
    return await http.download({ path: 'tasks/report/1/json' }, path(), { kind }, never);
  } finally {
    http.close();
  }
}

/** One that answers with these bytes, with its length, in chunks, or until it closes. */
function answering(body: string | Buffer, how: 'length' | 'chunks' | 'close' = 'length') {
  if (how === 'close')
    return serveTcp((socket) =>
      socket.once('data', () => socket.end(`HTTP/1.0 200 OK\r\n\r\n${body.toString()}`)),
    );
  return serve((_request: IncomingMessage, response: ServerResponse) => {
    if (how === 'length') response.setHeader('content-length', Buffer.byteLength(body));
    else response.write('');
    response.end(body);
  });
}

describe('a report', () => {
  test.each(['length', 'chunks', 'close'] as const)(
    'that ends by its %s is on disk as it was',
    async (how) => {
      const body = JSON.stringify({
        info: { id: 1 },
        strings: Array.from({ length: 20_000 }, (_, i) => `é ${i}`),
      });
      await using server = await answering(body, how);
      const sha256 = createHash('sha256').update(body).digest('hex');
      expect(await download(server)).toEqual({ size: Buffer.byteLength(body), sha256 });
      expect(await readFile(path(), 'utf8')).toBe(body);
    },
  );

  test('that is no JSON is taken as it is', async () => {
    const body = Buffer.from([0, 255, 60, 104]);
    await using server = await answering(body);
    expect((await download(server, { kind: 'other' })).size).toBe(4);
    expect(await readFile(path())).toEqual(body);
  });

  test('replaces what an earlier try left half done', async () => {
    await using long = await answering('{"a": "a long one"}');
    await download(long);
    await using short = await answering('{}');
    await download(short);
    expect(await readFile(path(), 'utf8')).toBe('{}');
  });
});

describe('no report, and nothing stays on disk', () => {
  test.each([
    ['[]', 'not {'],
    ['', 'empty'],
    ['{"a": 1', 'not whole: the end in the middle'],
    ['{"a": 1}}', 'not nothing more'],
    ['<html>404</html>', 'not JSON'],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22]), 'not UTF-8'],
  ])('%j where JSON should be', async (body, message) => {
    await using server = await answering(body);
    await expect(download(server)).rejects.toMatchObject({
      code: 'REPORT_INVALID',
      message: expect.stringContaining(message),
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test('JSON that its length cuts', async () => {
    await using server = await serveTcp((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a": 1}')),
    );
    await expect(download(server)).rejects.toMatchObject({ code: 'REPORT_INVALID' });
    expect(await readdir(folder)).toEqual([]);
  });

  test.each([
    ['its length', 'Content-Length: 100\r\n\r\n{"a": 1}'],
    ['its last chunk', 'Transfer-Encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n'],
  ])('one that ends before %s', async (_what, rest) => {
    await using server = await serveTcp((socket) =>
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n${rest}`)),
    );
    for (const kind of ['json', 'other'] as const) {
      await expect(download(server, { kind })).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' });
      expect(await readdir(folder)).toEqual([]);
    }
  });

  test('one that does not say how long it is, unless its end can be seen in it', async () => {
    await using server = await answering('<html>', 'close');
    await expect(download(server, { kind: 'other' })).rejects.toMatchObject({ code: 'REPORT_INVALID' });
  });

  test('one that is too long, announced or not', async () => {
    const body = `{"a": "${'x'.repeat(2000)}"}`;
    for (const how of ['length', 'chunks'] as const) {
      await using server = await answering(body, how);
      await expect(download(server, { reportSize: 1000 })).rejects.toMatchObject({
        code: 'REPORT_INVALID',
        message: expect.stringContaining('1000'),
      });
      expect(await readdir(folder)).toEqual([]);
    }
  });

  test('one that is packed', async () => {
    await using server = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    );
    await expect(download(server)).rejects.toMatchObject({ code: 'REPORT_INVALID' });
  });

  test('one that stops to come', async () => {
    await using server = await serve(
      (_request, response) => void response.writeHead(200, { 'content-length': 9 }).write('{"a"'),
    );
    await expect(download(server, { answer: 100 })).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' });
    expect(await readdir(folder)).toEqual([]);
  });

  test.each([
    [404, { message: 'Report not found' }, 'REPORT_MISSING'],
    [404, { message: 'File not found' }, 'REPORT_MISSING'],
    [400, { message: 'Invalid report format' }, 'REPORT_MISSING'],
    [404, { message: 'Not found' }, 'NODE_ODD'],
    [401, { message: 'Report not found' }, 'NODE_DENIED'],
    [500, { message: 'Report not found' }, 'NODE_UNREACHABLE'],
  ])('%d %j', async (status, body, code) => {
    await using server = await serve((_request, response) => sendJson(response, body, status));
    await expect(download(server)).rejects.toMatchObject({ code });
    expect(await readdir(folder)).toEqual([]);
  });

  test('none for which there is no room', async () => {
    await symlink('/dev/full', path());
    await using server = await answering('{}');
    await expect(download(server)).rejects.toMatchObject({ code: 'NO_DISK_SPACE' });
    expect(await readdir(folder)).toEqual([]);
  });

  test('none while the caller gives up', async () => {
    await using server = await serve(
      (_request, response) => void response.writeHead(200, { 'content-length': 9 }).write('{"a"'),
    );
    const gone = new AbortController();
    const http = new NodeHttp(server.address, LIMITS);
    const call = http.download({ path: 'x' }, path(), { kind: 'json' }, gone.signal);
    setTimeout(() => gone.abort(), 50);
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    expect(await readdir(folder)).toEqual([]);
    http.close();
  });
});
