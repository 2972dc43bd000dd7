import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { analysisDir } from '#storage/analyses.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, leave, submit } from '../support/api-client.js';

const REPORT = {
  info: { id: 1, score: 2.5, 'a.b': 1 },
  procmemory: [{ file: 'x' }],
  behavior: {
    generic: [{ pid: 1 }],
    apistats: { '1': {} },
    summary: { file_created: ['C:\\a "quoted", {name}', 'é'] },
    processes: [],
  },
  signatures: [{ name: 'first' }, { name: 'second' }],
  nothing: null,
  no: false,
  debug: { log: [] },
  screenshots: [],
  metadata: {},
};

const NOT_FOUND = { status: 404, body: { message: 'Report not found' } };

let api: TestApi;
let id: number;

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: parts of a report', () => {
  beforeAll(async () => {
    api = await startApi();
    id = await submit(api, 'r', 'r');
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  describe.each([undefined, 4])('written with indent %p', (indent) => {
    beforeAll(() => leave(api, id, 'reports/report.json', JSON.stringify(REPORT, null, indent)));

    test.each([
      ['info', REPORT.info],
      ['signatures', REPORT.signatures],
      ['no', false],
      ['info.score', 2.5],
      ['behavior.summary.file_created', REPORT.behavior.summary.file_created],
      ['behavior.summary.file_created.1', 'é'],
      ['signatures.1.name', 'second'],
      ['screenshots', []],
    ])('elements=%s is that value as JSON, with its length', async (elements, value) => {
      const answer = await fetch(`${api.url}/tasks/report/${id}?elements=${elements}`);
      const text = await answer.text();
      expect(JSON.parse(text)).toEqual(value);
      expect(answer.headers.get('content-type')).toBe('application/json');
      expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    });

    test.each([
      'nothing',
      'none',
      'info.none',
      'info.score.x',
      'signatures.2',
      'info.',
      '.',
      "'",
      '__proto__',
      'x'.repeat(1024),
    ])('elements=%s is not found', async (elements) => {
      const { status, body } = await ask(api, `/tasks/report/${id}/JSON?elements=${elements}`);
      expect({ status, body }).toEqual({ status: 404, body: { message: `'${elements}' not found` } });
    });

    test('the summary is the report without what grows with every call', async () => {
      const { info, signatures, nothing, no, behavior } = REPORT;
      const answer = await fetch(`${api.url}/tasks/summary/${id}`);
      const text = await answer.text();
      expect(JSON.parse(text)).toEqual({
        info,
        behavior: { summary: behavior.summary },
        signatures,
        nothing,
        no,
      });
      expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
      expect(answer.headers.get('content-type')).toBe('application/json');
      const head = await fetch(`${api.url}/tasks/summary/${id}`, { method: 'HEAD' });
      expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    });
  });

  test('a summary of a report that lacks all of it is that report', async () => {
    const small = await submit(api, 's', 's');
    await leave(api, small, 'reports/report.json', '{"info": {}}\n');
    expect((await ask(api, `/tasks/summary/${small}`)).body).toEqual({ info: {} });
  });

  test('elements mean nothing to other formats, and are refused for the page', async () => {
    await leave(api, id, 'reports/report.maec-5.0.json', '{}');
    expect((await ask(api, `/tasks/report/${id}/maec5?elements=info`)).body).toEqual({});
    expect((await ask(api, `/tasks/report/${id}?elements=`)).status).toBe(200);
    expect(await ask(api, `/tasks/report/${id}/html?elements=info`)).toMatchObject({
      status: 404,
      body: { message: 'Get specific field is not available in HTML format, try again with JSON format' },
    });
    for (const query of ['elements=a&elements=b', `elements=${'x'.repeat(1025)}`])
      expect((await ask(api, `/tasks/report/${id}?${query}`)).status).toBe(400);
  });

  test('without a report there are no parts', async () => {
    expect(await ask(api, '/tasks/report/4242?elements=info')).toMatchObject(NOT_FOUND);
    expect(await ask(api, '/tasks/summary/4242')).toMatchObject(NOT_FOUND);
    expect((await ask(api, '/tasks/summary/x')).status).toBe(404);
  });

  test('a report larger than anybody would keep in memory costs none', async () => {
    const big = await submit(api, 'big', 'big');
    await leave(api, big, 'reports/report.json', '{"info":{"id":7},"behavior":{"processes":["');
    const path = join(analysisDir(api.context.home.analyses, big), 'reports', 'report.json');
    {
      await using file = await open(path, 'a');
      const piece = '\\"{['.repeat(256 * 1024);
      for (let n = 0; n < 300; n++) await file.write(piece);
      await file.write('"],"summary":{"a":1}},"debug":{}}');
    }
    const before = process.memoryUsage().rss;
    expect((await ask(api, `/tasks/summary/${big}`)).body).toEqual({
      info: { id: 7 },
      behavior: { summary: { a: 1 } },
    });
    expect((await ask(api, `/tasks/report/${big}?elements=behavior.summary.a`)).body).toBe(1);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024); // of 300 MiB
  }, 60_000);
});
