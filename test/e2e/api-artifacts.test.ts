import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { homePaths, type HomePaths } from '#config/home.js';
import type { ArtifactStore } from '#storage/artifacts/store.js';
import { openArtifacts } from '../../apps/open-artifacts.js';
import { fetchToExamine } from '../../apps/worker/fetch-to-examine.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, form, post, submit } from '../support/api-client.js';
import { BUCKET, startS3, type TestS3 } from '../support/s3-server.js';
import { ON } from '../support/task.js';

const never = new AbortController().signal;
const SAMPLE = 'a sample of many hosts';
const exec = promisify(execFile);

let s3: TestS3;
let api: TestApi;
let worker: { readonly home: HomePaths; readonly artifacts: ArtifactStore };

/** What a worker on a host of its own does with a task, up to its report. */
async function analyze(id: number): Promise<void> {
  const { tasks } = api.context;
  const claim = await tasks.runs.claim(id, 'elsewhere', ON);
  if (!claim) throw new Error('not pending');
  const { task, epoch } = claim;
  const dir = await worker.artifacts.begin(task, epoch, never);
  expect(await readFile(join(worker.home.binaries, task.sample?.sha256 ?? ''), 'utf8')).toBe(SAMPLE);
  await writeFile(join(dir, 'task.json'), '{}');
  await writeFile(join(dir, 'dump.pcap'), 'packets');
  await writeFile(join(dir, 'shots', '0001.png'), 'a picture');
  await worker.artifacts.save(id, epoch, never);
  const completed = { to: 'completed', outcome: 'completed', route: 'none' } as const;
  expect(await tasks.runs.end(id, epoch, completed)).toBe(true);
  await worker.artifacts.publish(id, epoch, never);
}

async function report(id: number, text: string): Promise<void> {
  const found = await api.context.tasks.get(id);
  const dir = await fetchToExamine(worker.artifacts, found, never);
  await writeFile(join(dir ?? '', 'reports', 'report.json'), text);
  await worker.artifacts.publishReports(id, never);
  expect(await api.context.tasks.move(id, 'completed', 'reported')).toBe(true);
}

describe('REST API over an object store', () => {
  beforeAll(async () => {
    s3 = await startS3();
    api = await startApi(s3.conf());
    const home = homePaths(await mkdtemp(join(tmpdir(), 'worker-')));
    worker = { home, artifacts: openArtifacts(api.context.settings.artifacts, home, api.context.db) };
  });
  afterAll(async () => {
    await worker.artifacts[Symbol.asyncDispose]();
    await rm(worker.home.dir, { recursive: true });
    await api[Symbol.asyncDispose]();
    await s3[Symbol.asyncDispose]();
  });

  test('what another host collected is downloaded from this one', async () => {
    const id = await submit(api, 'a.sh', SAMPLE);
    expect((await ask(api, `/pcap/get/${id}`)).status).toBe(404);
    await analyze(id);
    expect((await ask(api, `/tasks/report/${id}`)).status).toBe(404);
    expect(await ask(api, `/pcap/get/${id}`)).toMatchObject({ status: 200, body: 'packets' });
    await report(id, '{"info":{"score":1}}');
    expect(await ask(api, `/tasks/report/${id}`)).toMatchObject({
      status: 200,
      body: { info: { score: 1 } },
    });
    expect(await ask(api, `/tasks/screenshots/${id}/0001`)).toMatchObject({ status: 200, body: 'a picture' });

    expect((await ask(api, `/tasks/rereport/${id}`)).body).toEqual({ success: true });
    await report(id, '{"info":{"score":2}}');
    expect(await ask(api, `/tasks/report/${id}`)).toMatchObject({
      status: 200,
      body: { info: { score: 2 } },
    });
  });

  test('a sample, alone and in an archive, comes back though this host dropped it', async () => {
    const id = await submit(api, 'b.sh', SAMPLE);
    await analyze(id);
    const { home, tasks } = api.context;
    const sha256 = (await tasks.get(id)).sample?.sha256 ?? '';
    await rm(join(home.binaries, sha256));
    const archive = join(worker.home.dir, 'all.tar');
    const answer = await fetch(`${api.url}/tasks/report/${id}/all?tar=tar`);
    await writeFile(archive, Buffer.from(await answer.arrayBuffer()));
    const names = (await exec('tar', ['--list', '--file', archive])).stdout.split('\n');
    expect(names).toEqual(expect.arrayContaining(['binary', 'dump.pcap', 'shots/0001.png']));
    expect(names.filter((name) => name.startsWith('.'))).toEqual([]);
    await rm(join(home.binaries, sha256));
    expect(await ask(api, `/files/get/${sha256}`)).toMatchObject({ status: 200, body: SAMPLE });
    expect((await ask(api, `/files/get/${'0'.repeat(64)}`)).status).toBe(404);
    expect((await ask(api, `/tasks/reschedule/${id}`)).status).toBe(200);
  });

  test('a deleted task leaves nothing', async () => {
    const id = await submit(api, 'c.sh', SAMPLE);
    await analyze(id);
    await report(id, '{}');
    expect((await ask(api, `/tasks/report/${id}`)).status).toBe(200);
    expect((await ask(api, `/tasks/delete/${id}`)).status).toBe(200);
    expect((await ask(api, `/tasks/report/${id}`)).status).toBe(404);
    expect((await ask(api, `/pcap/get/${id}`)).status).toBe(404);
    const stored = await readdir(join(s3.fileOf('some/where/analyses'), '..', 'analyses'));
    expect(stored).not.toContain(String(id));
  });

  test('a store that refuses: no task whose sample no worker could fetch, and an answer that says why', async () => {
    const id = await submit(api, 'd.sh', SAMPLE);
    await analyze(id);
    const before = (await api.context.tasks.counts()).total;
    s3.refuse(() => true);
    try {
      const files = { name: 'new.sh', content: 'never seen before' };
      expect(await post(api, '/tasks/create/file', form({}, files))).toMatchObject({ status: 503 });
      expect(await ask(api, `/pcap/get/${id}`)).toMatchObject({
        status: 503,
        body: {
          message: expect.stringContaining(`s3://${BUCKET}/some/where/analyses/${id}/1/manifest.json`),
        },
      });
    } finally {
      s3.refuse(() => false);
    }
    expect((await api.context.tasks.counts()).total).toBe(before);
    expect(await ask(api, `/pcap/get/${id}`)).toMatchObject({ status: 200, body: 'packets' });
  });
});
