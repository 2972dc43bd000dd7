import { execFile } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { onEachDatabase } from '../support/databases.js';
import { startDistributed, type TestDistributed } from '../support/distributed-api.js';
import { finish, leaveReports, process, say, submitFile } from '../support/distributed-client.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { startScriptedNode } from '../support/scripted-node/start.js';

const REPORTS = {
  ...{
    json: '{"info":{"id":71}}',
    html: '<script>1</script>',
    maec: '<MAEC_Bundle/>',
    maec5: '{}',
    pdf: '%PDF-',
  },
  ...{ metadata: '<malwareMetaData/>', all: 'BZh', mine: 'of a module', pcap: 'd4c3b2a1' },
};
const TYPES = {
  ...{
    json: 'application/json',
    html: 'text/html; charset=utf-8',
    maec: 'application/xml',
    maec5: 'application/json',
  },
  ...{ pdf: 'application/pdf', metadata: 'application/xml', all: 'application/x-tar; charset=UTF-8' },
  mine: 'application/octet-stream; charset=UTF-8',
};

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
});

describe('the reports of the Distributed API', () => {
  onEachDatabase((fresh) => {
    const start = async (conf = ''): Promise<TestDistributed & { readonly nodeId: number }> => {
      const api = await startDistributed({ db: await fresh(), redis: redis.redis, conf });
      const url = 'http://node0.test/';
      const node = { name: 'node0', url, token: null, dialect: 'cuckoo', mode: 'normal', enabled: true };
      const row = await api.context.nodes.add(node, []);
      return { ...api, nodeId: row?.id ?? 0 };
    };
    const refused = async (api: TestDistributed, path: string) => {
      const { status, headers, body } = await say(api, `GET ${path}`);
      return [status, body.message, headers.get('retry-after')];
    };

    test('every format is sent as it is, with its length and media type, whatever Accept says', async () => {
      await using api = await start();
      await submitFile(api, 'a');
      await finish(api, 1, api.nodeId, REPORTS);
      for (const [format, type] of Object.entries(TYPES)) {
        for (const prefix of ['', '/api', '/api/v1', '/v1']) {
          const answer = await fetch(`${api.url}${prefix}/report/1/${format}`, {
            headers: { accept: 'application/xml' },
          });
          const text = REPORTS[format as 'json'];
          expect([format, answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
            ...[format, 200, type, text],
          ]);
          expect(answer.headers.get('content-length')).toBe(String(text.length));
        }
      }
      for (const path of ['/report/1', '/api/report/1', '/report/1/JSON'])
        expect((await say(api, `GET ${path}`)).body).toEqual({ info: { id: 71 } });
      const pcap = await say(api, 'GET /api/pcap/1');
      expect([pcap.body, pcap.headers.get('content-disposition')]).toEqual([
        REPORTS.pcap,
        'attachment; filename="dump.pcap"',
      ]);
    });

    test('a bundle is named and typed by what it is: one format is a tar.bz2 of Cuckoo and a zip file of CAPE', async () => {
      await using api = await start();
      await submitFile(api, 'a');
      const tar = 'application/x-tar; charset=UTF-8';
      const bundles = {
        all: ['PK\x03\x04 …', 'application/zip', '1-all.zip'],
        dropped: ['PK\x05\x06', 'application/zip', '1-dropped.zip'],
        package_files: ['BZh91AY', tar, '1-package_files.tar.bz2'],
        lite: ['PK\x03\x04', 'application/zip', '1-lite.zip'],
        dist: ['BZh91AY', tar, '1-dist.tar.bz2'],
        memory: ['', 'application/octet-stream; charset=UTF-8', '1-report.memory'],
        html: ['PK\x03\x04', 'text/html; charset=utf-8', null],
      } as const;
      const texts = Object.entries(bundles).map(([format, [text]]) => [format, text] as const);
      await finish(api, 1, api.nodeId, Object.fromEntries(texts));
      for (const [format, [text, type, name]] of Object.entries(bundles)) {
        const { headers, body } = await say(api, `GET /api/report/1/${format}`);
        expect([format, headers.get('content-type'), headers.get('content-disposition'), body]).toEqual([
          ...[format, type, name && `attachment; filename="${name}"`, text],
        ]);
      }
    });

    test('what guests wrote can do nothing in a browser', async () => {
      await using api = await start();
      await submitFile(api, 'a');
      await finish(api, 1, api.nodeId, REPORTS);
      for (const format of ['html', 'maec', 'metadata']) {
        const { headers } = await say(api, `GET /report/1/${format}`);
        const policy = headers.get('content-security-policy');
        expect(policy).toMatch(/^default-src 'none';/);
        expect(policy).toMatch(/; sandbox$/);
        expect(headers.get('x-content-type-options')).toBe('nosniff');
      }
      const { headers } = await say(api, 'GET /report/1/mine');
      expect(headers.get('content-disposition')).toBe('attachment; filename="1-report.mine"');
    });

    test('a part, and what is known already', async () => {
      await using api = await start();
      await submitFile(api, 'a');
      await finish(api, 1, api.nodeId, REPORTS);
      const get = (headers: Record<string, string>) => fetch(`${api.url}/api/report/1/mine`, { headers });
      const whole = await get({});
      const etag = whole.headers.get('etag') ?? '';
      await whole.text();
      const part = await get({ range: 'bytes=3-5' });
      expect([part.status, await part.text(), part.headers.get('content-range')]).toEqual([
        ...[206, 'a m', 'bytes 3-5/11'],
      ]);
      expect((await get({ 'if-none-match': etag })).status).toBe(304);
      expect((await get({ range: 'bytes=99-' })).status).toBe(416);
      const head = await fetch(`${api.url}/report/1/mine`, { method: 'HEAD' });
      expect([head.status, head.headers.get('content-length')]).toEqual([200, '11']);
    });

    test('what is not there is told in the old words', async () => {
      await using api = await start();
      expect(await refused(api, '/report/1')).toEqual([404, 'Task not found', null]);
      await submitFile(api, 'a');
      expect(await refused(api, '/report/1')).toEqual([404, 'Task not finished yet', '10']);
      expect(await refused(api, '/api/report/1/nosuch')).toEqual([420, 'Task not finished yet', '10']);
      expect(await refused(api, '/api/v1/pcap/1')).toEqual([420, 'Task not finished yet', '10']);
      await process(api, 1, api.nodeId, 9);
      expect(await refused(api, '/api/report/1')).toEqual([420, 'Task not finished yet', '10']);
      await submitFile(api, 'b');
      await finish(api, 2, api.nodeId, { json: '{}' });
      for (const format of ['html', '..%2f..%2fetc%2fpasswd', '%00', 'x'.repeat(300)])
        expect(await refused(api, `/report/2/${format}`)).toEqual([404, 'Report format not found', null]);
      expect(await refused(api, '/api/pcap/2')).toEqual([404, 'Pcap file not found', null]);
      await say(api, 'DELETE /task/2');
      expect(await refused(api, '/report/2')).toEqual([404, 'Task report has been deleted', null]);
      expect(await refused(api, '/api/pcap/2')).toEqual([404, 'Task files has been deleted', null]);
      expect(await refused(api, '/report/two')).toEqual([404, 'Not found', null]);
    });

    test('a failed task has the reports that are here, and a reason for those that are not', async () => {
      await using api = await start();
      await submitFile(api, 'a');
      const task = await process(api, 1, api.nodeId, 9);
      const reports = await leaveReports(api, 1, { json: '{"a":1}' });
      await api.context.tasks.fail(task, 'the node has no html', { reports, clean: false });
      expect((await say(api, 'GET /api/report/1')).body).toEqual({ a: 1 });
      expect(await refused(api, '/api/report/1/html')).toEqual([
        ...[404, 'Task failed, it has no such report: the node has no html', null],
      ]);
    });

    test('a report that is not what was stored is never sent', async () => {
      await using api = await start();
      await submitFile(api, 'a');
      await finish(api, 1, api.nodeId, REPORTS);
      const folder = join(api.context.settings.reportsDirectory, '1');
      await truncate(join(folder, 'report.json'), 3);
      expect(await refused(api, '/report/1')).toEqual([
        ...[500, 'The report json of task 1 has 3 bytes in the reports folder; 18 bytes were stored', null],
      ]);
      await writeFile(join(folder, 'report.html'), `${REPORTS.html} and more`);
      expect((await refused(api, '/api/report/1/html'))[0]).toBe(500);
      await api.context.reports.remove(1);
      expect(await refused(api, '/api/report/1/maec')).toEqual([
        ...[500, 'The report maec of task 1 is gone in the reports folder; 14 bytes were stored', null],
      ]);
    });

    test('the curl lines of the founding document, as they are written', async () => {
      await using node = await startScriptedNode({ dialect: 'cuckoo' });
      await using api = await start();
      const sample = join(api.context.home.dir, 'sample.exe');
      await writeFile(sample, 'MZ');
      const curl = async (...args: string[]) => {
        const { stdout } = await promisify(execFile)('curl', ['-s', ...args]);
        return stdout;
      };
      const added = await curl(`${api.url}/node`, '-F', 'name=localhost', '-F', `url=${node.url}`);
      expect(JSON.parse(added)).toMatchObject({ name: 'localhost', machines: [{ platform: 'linux' }, {}] });
      expect(JSON.parse(await curl(`${api.url}/task`, '-F', `file=@${sample}`))).toEqual({ task_id: 1 });
      const status = ['-o', '/dev/null', '-w', '%{http_code}'];
      expect(await curl(...status, `${api.url}/report/1`)).toBe('404');
      await finish(api, 1, api.nodeId, REPORTS);
      expect(await curl(`${api.url}/report/1`)).toBe(REPORTS.json);
      expect(await curl(`${api.url}/report/1/maec`, '-H', 'Accept: application/xml')).toBe(REPORTS.maec);
      expect(await curl('-XDELETE', `${api.url}/node/localhost`)).toBe('null');
      expect((await api.context.nodes.find('localhost'))?.enabled).toBe(false);
    });
  });
});
