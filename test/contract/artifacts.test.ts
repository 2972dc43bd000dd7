import { existsSync } from 'node:fs';
import { appendFile, mkdir, open, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ANALYSIS_FOLDERS } from '#domain/artifacts.js';
import {
  contentOf,
  never,
  openLab,
  putSample,
  row,
  run,
  SAMPLE,
  SHA256,
  task,
  type ArtifactLab,
  type Host,
} from '../support/artifact-lab.js';

const HOUR_AGO = new Date(Date.now() - 3_600_000);

const folders = Object.fromEntries(ANALYSIS_FOLDERS.map((name) => [name, null]));
const artefacts = (said: string) => ({
  ...folders,
  binary: `→ ../../binaries/${SHA256}`,
  'dump.pcap': said,
  'files/deep': null,
  'files/deep/a b é+%.exe': `dropped by ${said}`,
  'task.json': JSON.stringify({ said }),
});

describe.each(['folder', 's3'] as const)('artefacts in a %s', (kind) => {
  let lab: ArtifactLab;
  let here: Host;
  let there: Host;

  beforeEach(async () => {
    lab = await openLab(kind);
    here = await lab.host('a');
    there = await lab.host('b');
    await putSample(here);
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
  });

  /** A run to its end, as a worker does it. */
  async function complete(id: number, epoch: number, said: string): Promise<void> {
    lab.rows.set(id, row(epoch, 'running'));
    await run(here, id, epoch, said);
    await here.store.save(id, epoch, never);
    lab.rows.set(id, row(epoch, 'completed'));
    expect(await here.store.publish(id, epoch, never)).toBe(true);
  }

  const seen = async ({ store }: Host, id: number) => {
    const dir = await store.fetch(id, never);
    return dir === null ? null : contentOf(dir);
  };
  const runsLeft = async ({ home }: Host) => readdir(join(home.analyses, '.runs')).catch(() => []);

  test('a run is nobody’s business until it is published; then every host has all of it', async () => {
    lab.rows.set(7, row(1, 'running'));
    const dir = await run(there, 7, 1, 'one');
    expect(dir).toBe(join(there.home.analyses, '.runs', '7-1'));
    expect(await readFile(join(there.home.binaries, SHA256), 'utf8')).toBe(SAMPLE);
    expect(await seen(here, 7)).toBeNull();
    expect(await seen(there, 7)).toBeNull();
    await there.store.save(7, 1, never);
    expect(await seen(here, 7)).toBeNull();
    lab.rows.set(7, row(1, 'completed'));
    expect(await there.store.publish(7, 1, never)).toBe(true);

    for (const host of [here, there]) expect(await seen(host, 7)).toEqual(artefacts('one'));
    const { analyses } = there.home;
    expect(await readlink(join(analyses, 'latest'))).toBe('7');
    expect(await readFile(join(analyses, '7', 'binary'), 'utf8')).toBe(SAMPLE);
    expect(await runsLeft(there)).toEqual([]);
    expect(await runsLeft(here)).toEqual([]);
  });

  test('every step may come again', async () => {
    await complete(7, 1, 'one');
    expect(await here.store.publish(7, 1, never)).toBe(true);
    expect(await there.store.publish(7, 1, never)).toBe(true);
    await Promise.all([here, there, here].map(({ store }) => store.fetch(7, never)));
    await here.store.sweep(never);
    for (const host of [here, there]) expect(await seen(host, 7)).toEqual(artefacts('one'));
    await here.store.remove(7, never);
    await here.store.remove(7, never);
  });

  test('killed after the row moved: whoever asks finds the run', async () => {
    lab.rows.set(7, row(1, 'running'));
    await run(here, 7, 1, 'one');
    await here.store.save(7, 1, never);
    lab.rows.set(7, row(1, 'completed'));
    expect(await seen(there, 7)).toEqual(artefacts('one'));
    const restarted = await lab.host('a');
    await restarted.store.sweep(never);
    expect(await seen(restarted, 7)).toEqual(artefacts('one'));
    expect(await runsLeft(restarted)).toEqual([]);
  });

  test('killed before the row moved: nothing is seen, and nothing stays once the task runs elsewhere', async () => {
    lab.rows.set(7, row(1, 'running'));
    await run(here, 7, 1, 'one');
    await here.store.save(7, 1, never);
    await here.store.sweep(never);
    expect(await runsLeft(here)).toEqual(['7-1']); // its worker may live
    lab.rows.set(7, row(1, 'pending'));
    expect(await seen(there, 7)).toBeNull();
    await here.store.sweep(never);
    expect(await runsLeft(here)).toEqual([]);
    expect(await seen(there, 7)).toBeNull();
  });

  test('a worker that lost its lease changes nothing, whenever it goes on', async () => {
    lab.rows.set(7, row(1, 'running'));
    const zombie = await run(there, 7, 1, 'zombie');
    const stillOpen = await open(join(zombie, 'dump.pcap'), 'a');
    lab.rows.set(7, row(2, 'running'));
    await run(here, 7, 2, 'two');
    await appendFile(join(zombie, 'dump.pcap'), ' writes');
    await here.store.save(7, 2, never);
    await there.store.save(7, 1, never);
    lab.rows.set(7, row(2, 'completed'));
    expect(await there.store.publish(7, 1, never)).toBe(false);
    expect(await seen(there, 7)).toEqual(artefacts('two'));
    expect(await here.store.publish(7, 2, never)).toBe(true);
    await stillOpen.appendFile(' and writes');
    await stillOpen.close();
    expect(await there.store.publish(7, 1, never)).toBe(false);
    for (const host of [here, there]) expect(await seen(host, 7)).toEqual(artefacts('two'));
    expect(await runsLeft(there)).toEqual([]);
  });

  test('the last run of a task that was given up: its evidence is kept, what it writes later is not', async () => {
    lab.rows.set(7, row(3, 'running'));
    const dir = await run(here, 7, 3, 'three');
    const stillOpen = await open(join(dir, 'dump.pcap'), 'a');
    lab.rows.set(7, row(3, 'failed_analysis'));
    await here.store.sweep(never);
    expect(await seen(there, 7)).toBeNull(); // its worker may be about to publish it
    lab.rows.set(7, row(3, 'failed_analysis', HOUR_AGO));
    await here.store.sweep(never);
    await stillOpen.appendFile(' and more');
    await stillOpen.close();
    for (const host of [here, there]) expect(await seen(host, 7)).toEqual(artefacts('three'));
    expect(await runsLeft(here)).toEqual([]);
  });

  test('a failed or cancelled run is published by its worker', async () => {
    lab.rows.set(7, row(1, 'running'));
    await run(here, 7, 1, 'one');
    lab.rows.set(7, row(1, 'failed_analysis'));
    expect(await here.store.publish(7, 1, never)).toBe(true);
    for (const host of [here, there]) expect(await seen(host, 7)).toEqual(artefacts('one'));
  });

  test('published before its row moved is a defect, and says so', async () => {
    lab.rows.set(7, row(1, 'running'));
    await run(here, 7, 1, 'one');
    await expect(here.store.publish(7, 1, never)).rejects.toThrow('before its row moved');
  });

  test('a report that is written, and written again, reaches every host', async () => {
    await complete(7, 1, 'one');
    await seen(here, 7); // before there is a report
    for (const report of ['{"score":1}', '{"score":2}', '{"score":2}']) {
      const dir = (await there.store.fetch(7, never)) ?? '';
      await writeFile(join(dir, 'reports', 'report.json'), report);
      await there.store.publishReports(7, never);
      lab.rows.set(7, row(1, 'reported'));
      expect(await seen(here, 7)).toEqual({ ...artefacts('one'), 'reports/report.json': report });
    }
    const third = await lab.host('c');
    expect(await seen(third, 7)).toMatchObject({ 'reports/report.json': '{"score":2}' });
  });

  test('removed: no host has it, nor a run of it', async () => {
    await complete(7, 1, 'one');
    await complete(70, 1, 'other');
    lab.rows.set(8, row(1, 'running'));
    await run(here, 8, 1, 'cancelled');
    lab.rows.delete(7);
    lab.rows.delete(8);
    await here.store.remove(7, never);
    await here.store.remove(8, never);
    expect(await seen(here, 7)).toBeNull();
    expect(await runsLeft(here)).toEqual([]);
    expect(await seen(there, 7)).toBeNull();
    expect(await seen(there, 70)).toEqual(artefacts('other'));
    expect(await here.store.publish(8, 1, never)).toBe(false);
    expect(existsSync(join(here.home.analyses, '8'))).toBe(false);
  });

  test('a folder of a time before runs had their own makes way', async () => {
    const old = join(here.home.analyses, '7');
    await mkdir(join(old, 'reports'), { recursive: true });
    await writeFile(join(old, 'dump.pcap'), 'old');
    await complete(7, 2, 'two');
    expect(await seen(here, 7)).toEqual(artefacts('two'));
    expect(await runsLeft(here)).toEqual([]);
  });

  test('and is still found when nothing took its place', async () => {
    await mkdir(join(here.home.analyses, '7'), { recursive: true });
    await writeFile(join(here.home.analyses, '7', 'dump.pcap'), 'old');
    lab.rows.set(7, row(1, 'reported'));
    expect(await seen(here, 7)).toEqual({ 'dump.pcap': 'old' });
  });

  test('a sample that is nowhere', async () => {
    const missing = { code: 'SAMPLE_MISSING' };
    expect(await here.store.hasSample(SHA256, never)).toBe(true);
    await expect(here.store.fetchSample('0'.repeat(64), never)).rejects.toMatchObject(missing);
    await expect(here.store.fetchSample('../../etc/passwd', never)).rejects.toMatchObject(missing);
    expect(await here.store.hasSample('0'.repeat(64), never)).toBe(false);
    await rm(join(here.home.binaries, SHA256));
    if (lab.s3) await rm(lab.s3.fileOf(`some/where/binaries/${SHA256}`));
    await expect(there.store.begin(task(9), 1, never)).rejects.toMatchObject(missing);
    expect(await readdir(there.home.binaries)).toEqual([]);
  });
});
