import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { ask, leave, submit } from '../support/api-client.js';

/** Also a JSON document, so that it can be a report. */
const DIGITS = '1234567890';

let api: TestApi;
let id: number;
let paths: readonly string[];

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: ranges, and clients that leave', () => {
  beforeAll(async () => {
    api = await startApi();
    id = await submit(api, 'r', DIGITS);
    for (const name of ['dump.pcap', 'memory.dmp', 'memory/1-1.dmp', 'reports/report.json'])
      await leave(api, id, name, DIGITS);
    paths = [
      `/files/get/c775e7b757ede630cd0aa1113bd102661ab38829ca52a6422ab782862f268646`,
      `/pcap/get/${id}`,
      `/full_memory/${id}`,
      `/memory/get/${id}/1-1`,
      `/tasks/report/${id}`,
    ];
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  async function range(path: string, header: string, more: Record<string, string> = {}) {
    const answer = await fetch(`${api.url}${path}`, { headers: { range: header, ...more } });
    const { status, headers } = answer;
    const [contentRange, length] = [headers.get('content-range'), headers.get('content-length')];
    return { status, text: await answer.text(), contentRange, length };
  }

  test('a part is answered with 206 and where it is, on everything that is large', async () => {
    for (const path of paths) {
      for (const [header, text, where] of [
        ['bytes=0-2', '123', '0-2'],
        ['bytes=7-', '890', '7-9'],
        ['bytes=-4', '7890', '6-9'],
        ['bytes=8-1000', '90', '8-9'],
      ] as const) {
        expect({ path, ...(await range(path, header)) }).toEqual({
          path,
          status: 206,
          text,
          contentRange: `bytes ${where}/10`,
          length: String(text.length),
        });
      }
    }
  });

  test('several ranges, malformed ones and other units are answered with the whole', async () => {
    for (const header of ['bytes=0-1,3-4', 'bytes=5-1', 'bytes=', 'bytes=x-y', 'items=0-1', 'nonsense']) {
      expect({ header, ...(await range(`/pcap/get/${id}`, header)) }).toEqual({
        header,
        status: 200,
        text: DIGITS,
        contentRange: null,
        length: '10',
      });
    }
  });

  test('beyond the end is 416, and tells where the end is', async () => {
    for (const header of ['bytes=10-', 'bytes=99-100', 'bytes=-0']) {
      const { status, text, contentRange } = await range(`/pcap/get/${id}`, header);
      expect({ status, contentRange, body: JSON.parse(text) as unknown }).toEqual({
        status: 416,
        contentRange: 'bytes */10',
        body: { message: 'The range begins beyond the end: there are 10 bytes' },
      });
    }
  });

  test('an empty file is given whole; no range of it can be', async () => {
    const empty = await submit(api, 'e', 'e');
    await leave(api, empty, 'dump.pcap', '');
    const { status, headers, body } = await ask(api, `/pcap/get/${empty}`);
    expect({ status, length: headers.get('content-length'), body }).toEqual({
      status: 200,
      length: '0',
      body: '',
    });
    expect((await range(`/pcap/get/${empty}`, 'bytes=0-')).status).toBe(416);
    expect((await range(`/pcap/get/${empty}`, 'bytes=-1')).status).toBe(200);
  });

  test('If-Range: a part only of what it was a part of before', async () => {
    const growing = await submit(api, 'g', 'g');
    await leave(api, growing, 'dump.pcap', DIGITS);
    const path = `/pcap/get/${growing}`;
    const { headers } = await ask(api, path);
    const etag = headers.get('etag') ?? '';
    const modified = headers.get('last-modified') ?? '';
    expect(headers.get('accept-ranges')).toBe('bytes');
    expect((await range(path, 'bytes=5-', { 'if-range': etag })).text).toBe('67890');
    expect((await range(path, 'bytes=5-', { 'if-range': modified })).text).toBe('67890');
    expect((await range(path, 'bytes=5-', { 'if-range': 'Thu, 01 Jan 1970 00:00:00 GMT' })).status).toBe(200);
    await leave(api, growing, 'dump.pcap', `${DIGITS}more`);
    const whole = await range(path, 'bytes=5-', { 'if-range': etag });
    expect({ status: whole.status, text: whole.text }).toEqual({ status: 200, text: `${DIGITS}more` });
  });

  test('If-None-Match: what the client has is not sent again', async () => {
    for (const path of [...paths, `/tasks/report/${id}/dropped`]) {
      const etag = (await ask(api, path)).headers.get('etag') ?? '';
      expect(etag).toMatch(/^"[0-9a-f-]+"$/);
      for (const method of ['GET', 'HEAD']) {
        const again = await ask(api, path, { method, headers: { 'if-none-match': etag } });
        expect({ path, status: again.status, etag: again.headers.get('etag') }).toEqual({
          path,
          status: 304,
          etag,
        });
      }
      expect((await ask(api, path, { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
    }
  });

  test('HEAD tells the length of the whole, whatever range it asks', async () => {
    const archive = `/tasks/report/${id}/all?tar=tar`;
    const length = (await ask(api, archive)).headers.get('content-length');
    for (const [path, expected] of [
      ...paths.map((one) => [one, '10'] as const),
      [archive, length] as const,
    ]) {
      const headers = { range: 'bytes=0-1' };
      const answer = await fetch(`${api.url}${path}`, { method: 'HEAD', headers });
      expect({ path, status: answer.status, length: answer.headers.get('content-length') }).toEqual({
        path,
        status: 200,
        length: expected,
      });
      expect(await answer.text()).toBe('');
    }
  });

  test.each(['tar', 'gz', 'bz2'])(
    'an archive as %s is the same bytes again, so its download can go on',
    async (tar) => {
      await leave(api, id, 'files/random', randomBytes(300_000));
      const path = `/tasks/report/${id}/all?tar=${tar}`;
      const first = await fetch(`${api.url}${path}`);
      const whole = Buffer.from(await first.arrayBuffer());
      const rest = await fetch(`${api.url}${path}`, {
        headers: { range: 'bytes=100000-', 'if-range': first.headers.get('etag') ?? '' },
      });
      expect(rest.status).toBe(206);
      expect(Buffer.from(await rest.arrayBuffer()).equals(whole.subarray(100_000))).toBe(true);
    },
  );

  /** Open files of this process that are below the home folder. */
  function openFiles(): string[] {
    return readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        const target = readlinkSync(`/proc/self/fd/${fd}`);
        return target.includes('/scratch/') || target.includes('/analyses/') ? [target] : [];
      } catch {
        return []; // closed meanwhile
      }
    });
  }

  function packers(): string[] {
    return readdirSync('/proc/self/task').flatMap((task) => {
      const pids = readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean);
      return pids.filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('bzip2'));
    });
  }

  async function until(happened: () => boolean): Promise<void> {
    for (let n = 0; n < 400 && !happened(); n++) await sleep(25);
    expect(happened()).toBe(true);
  }

  test('a client that leaves while its archive is packed stops the work and leaves nothing', async () => {
    const big = await submit(api, 'b', 'b');
    for (let n = 0; n < 8; n++) await leave(api, big, `files/${n}`, randomBytes(8 * 1024 * 1024));
    for (const query of ['', '?tar=gz', '?tar=tar']) {
      const gone = new AbortController();
      const answer = fetch(`${api.url}/tasks/report/${big}/all${query}`, { signal: gone.signal });
      answer.catch(() => {}); // it is aborted
      await until(() => openFiles().some((target) => target.includes('/scratch/')));
      if (query === '') await until(() => packers().length > 0);
      gone.abort();
      await until(() => openFiles().length === 0 && packers().length === 0);
    }
    expect(await readdir(api.context.home.scratch)).toEqual([]);
  }, 60_000);

  test('a client that leaves in the middle of what it is sent lets go of the file', async () => {
    const big = await submit(api, 'm', 'm');
    await leave(api, big, 'memory.dmp', randomBytes(32 * 1024 * 1024));
    await leave(api, big, 'reports/report.json', JSON.stringify({ info: 'x'.repeat(32 * 1024 * 1024) }));
    for (const path of [`/full_memory/${big}`, `/tasks/summary/${big}`, `/tasks/report/${big}/all?tar=tar`]) {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await once(socket, 'data');
      expect(openFiles()).not.toEqual([]);
      socket.destroy();
      await until(() => openFiles().length === 0);
    }
  }, 60_000);

  test('packing may take longer than a connection may be silent', async () => {
    await using hasty = await startApi('', { idle: 500 });
    const big = await submit(hasty, 's', 's');
    await leave(hasty, big, 'files/random', randomBytes(24 * 1024 * 1024));
    expect((await ask(hasty, `/tasks/report/${big}/all`)).status).toBe(200);
  }, 60_000);

  test('more archives than may be packed at once are all packed', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => fetch(`${api.url}/tasks/report/${id}/all`)),
    );
    const lengths = await Promise.all(answers.map(async (one) => (await one.arrayBuffer()).byteLength));
    expect(new Set(lengths).size).toBe(1);
  }, 60_000);

  test('what a killed process left is swept at the next start', async () => {
    const { openContext } = await import('../../apps/api/open-context.js');
    const { Cleanup } = await import('../../apps/cleanup.js');
    const { home, settings, log, shutdown } = api.context;
    await mkdir(home.scratch, { recursive: true });
    await writeFile(join(home.scratch, 'left'), 'x');
    await using cleanup = new Cleanup();
    await openContext({ home: home.dir, settings, log, shutdown }, cleanup);
    expect(await readdir(home.scratch)).toEqual([]);
  });
});
