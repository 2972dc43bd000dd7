import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { z } from 'zod';
import type { Report } from '#domain/report.js';
import { pack, rawZip } from '../support/archives.js';
import { openChromium } from '../support/chromium.js';
import { dropperIsSeen } from '../support/dropper.js';
import { makeHome, malkoha, SAMPLES, start, type Home, type Running } from '../support/malkoha.js';

/** The guest may have to be built, and everything runs emulated. */
jest.setTimeout(600_000);

const result = z.object({
  task_id: z.int(),
  status: z.string(),
  score: z.number(),
  report: z.string(),
  report_html: z.string(),
  url: z.string(),
  signatures: z.array(z.object({ name: z.string() })),
  phases: z.record(z.string(), z.number()),
});

const submitted = z.object({ task_ids: z.array(z.int()), errors: z.array(z.string()) });
const viewed = z.object({
  task: z.looseObject({ id: z.int(), status: z.string(), options: z.string() }),
});

describe('the sample dropper, from one command', () => {
  let home: Home;
  let document: z.infer<typeof result>;
  let report: Report;

  beforeAll(async () => {
    home = await makeHome();
    const { code, stdout, stderr } = await malkoha(home, 'analyze', join(SAMPLES, 'dropper.sh'), '--json');
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    document = result.parse(JSON.parse(stdout));
    report = JSON.parse(await readFile(document.report, 'utf8')) as Report;
  });
  afterAll(async () => home[Symbol.asyncDispose]());

  dropperIsSeen(() => report);

  test('the score is the one that was printed', () => {
    expect(document).toMatchObject({ status: 'reported', score: report.info.score });
  });

  test('report.html shows them in a browser', async () => {
    await using browser = await openChromium();
    const page = await browser.context.newPage();
    const problems: string[] = [];
    page.on('console', (message) => problems.push(message.text()));
    await page.goto(pathToFileURL(document.report_html).href);
    const text = (await page.locator('body').textContent()) ?? '';
    expect(problems).toEqual([]);
    for (const wanted of [
      'dropper.sh',
      'update.example-cdn.test',
      '/gate/stage2?id=0',
      'dropper-demo',
      '/tmp/.x/accounts.txt',
      'python3 -c',
    ]) {
      expect(text).toContain(wanted);
    }
    for (const { description } of report.signatures) expect(text).toContain(description);
    expect(await page.locator('img').count()).toBeGreaterThanOrEqual(1);
  });

  test('examined again, the same artefacts give the same report, byte for byte', async () => {
    const before = await readFile(document.report);
    expect(await malkoha(home, 'process', String(document.task_id))).toMatchObject({ code: 0 });
    expect((await readFile(document.report)).equals(before)).toBe(true);
  });
});

describe('a daemon that is up', () => {
  let home: Home;
  let daemon: Running;

  beforeAll(async () => {
    home = await makeHome();
    daemon = start(home, 'up', '--machines', '4');
    await daemon.said(/Malkoha is up/);
  });
  afterAll(async () => {
    daemon.process.kill('SIGINT');
    await daemon.ended;
    await home[Symbol.asyncDispose]();
  });

  test('is used by analyze, and answers as Cuckoo does', async () => {
    const { stdout, code } = await malkoha(home, 'analyze', join(SAMPLES, 'hello.py'), '--json');
    expect(code).toBe(0);
    const { task_id, url } = result.parse(JSON.parse(stdout));
    const page = await fetch(url);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await page.text()).toContain('hello.py');
    const get = async (path: string) => fetch(`${home.url}${path}`);
    expect(await (await get(`/tasks/view/${task_id}`)).json()).toMatchObject({
      task: { id: task_id, status: 'reported', guest: { manager: 'qemu' } },
    });
    expect(await (await get('/machines/list')).json()).toMatchObject({
      machines: [{ name: 'linux1' }, {}, {}, {}],
    });
    const pcap = await get(`/pcap/get/${task_id}`);
    expect(pcap.status).toBe(200);
    expect((await pcap.arrayBuffer()).byteLength).toBeGreaterThan(24);
    const shots = Buffer.from(await (await get(`/tasks/screenshots/${task_id}`)).arrayBuffer());
    expect(shots.subarray(0, 2).toString()).toBe('PK');
  });

  test('a URL is fetched in the guest', async () => {
    const { stdout, code } = await malkoha(
      home,
      'analyze',
      'https://www.example-shop.test/login?a=1',
      '--json',
    );
    expect(code).toBe(0);
    const report = JSON.parse(await readFile(result.parse(JSON.parse(stdout)).report, 'utf8')) as Report;
    expect(report.network?.http).toContainEqual(
      expect.objectContaining({ protocol: 'https', host: 'www.example-shop.test', path: '/login?a=1' }),
    );
    expect(report.network?.tls).toContainEqual(expect.objectContaining({ sni: 'www.example-shop.test' }));
  });

  test('sixteen at once over four machines: each is reported once, machines work at the same time', async () => {
    const noop = join(SAMPLES, 'noop.sh');
    const { stdout, code } = await malkoha(
      home,
      'analyze',
      ...Array.from({ length: 16 }, () => noop),
      '--json',
    );
    expect(code).toBe(0);
    const documents = z.array(result).parse(JSON.parse(stdout));
    expect(new Set(documents.map(({ task_id }) => task_id)).size).toBe(16);
    const guests = await Promise.all(
      documents.map(
        async ({ report }) =>
          JSON.parse(await readFile(join(report, '../../task.json'), 'utf8')) as {
            guest: { name: string; startedOn: string; shutdownOn: string };
          },
      ),
    );
    const spans = guests.map(
      ({ guest }) => [Date.parse(guest.startedOn), Date.parse(guest.shutdownOn)] as const,
    );
    const overlapping = spans.filter(([from, to], i) =>
      spans.some(([start, end], j) => i !== j && start < to && from < end),
    );
    expect(new Set(guests.map(({ guest }) => guest.name)).size).toBeGreaterThanOrEqual(2);
    expect(overlapping.length).toBeGreaterThanOrEqual(8);
  });

  test('a member of an encrypted archive runs beside its neighbours, with the package chosen for it', async () => {
    const script = `#!/bin/sh\n. ./lib/words.sh\necho "$WORD" > /tmp/said\n`;
    const zip = rawZip([
      { name: 'work/run.sh', content: script },
      { name: 'work/lib/words.sh', content: 'WORD=neighbour\n' },
    ]);
    const packed = await pack('order.7z', { 'order.zip': zip }, '-pinfected', '-mhe=on');
    const body = new FormData();
    body.append('file', new Blob([packed]), 'order.7z');
    const made = await fetch(`${home.url}/tasks/create/submit`, { method: 'POST', body });
    const { task_ids, errors } = submitted.parse(await made.json());
    expect(errors).toEqual([]);
    expect(task_ids).toHaveLength(2);
    const runs = await Promise.all(task_ids.map((id) => endOf(home, id)));
    const { task } = runs.find(({ task: { options } }) => options.includes('run.sh')) ?? runs[0] ?? {};
    expect(task).toMatchObject({ status: 'reported', category: 'archive', errors: [] });
    const answer = await fetch(`${home.url}/tasks/report/${task?.id ?? 0}`);
    const report = (await answer.json()) as Report;
    expect(report.target).toMatchObject({
      category: 'archive',
      filename: 'order.zip/work/run.sh',
      file: { name: 'run.sh', size: script.length },
      archive: { name: 'order.zip' },
    });
    const said = report.dropped?.find(({ filepath }) => filepath === '/tmp/said');
    expect(said?.sha256).toBe(createHash('sha256').update('neighbour\n').digest('hex'));
    expect(report.dropped).toHaveLength(1);
  });

  test('route drop: silence, and the capture is there', async () => {
    const { stdout, code } = await malkoha(
      home,
      'analyze',
      'http://www.example-shop.test/',
      '--options',
      'route=drop',
      '--timeout',
      '10',
      '--json',
    );
    expect(code).toBe(0);
    const report = JSON.parse(await readFile(result.parse(JSON.parse(stdout)).report, 'utf8')) as Report;
    expect(report.network?.http).toEqual([]);
    expect(report.network?.dns.flatMap(({ answers }) => answers)).toEqual([]);
    expect(report.info.route).toBe('drop');
  });
});

/** Waits for the task's end. */
async function endOf(home: Home, id: number): Promise<z.infer<typeof viewed>> {
  for (;;) {
    const view = viewed.parse(await (await fetch(`${home.url}/tasks/view/${id}?wait=60`)).json());
    if (!['pending', 'running', 'completed'].includes(view.task.status)) return view;
  }
}
