import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PIXEL, sampleReport } from '../../test/support/report.js';
import { folderAssets } from './assets.js';
import { writeReports } from './write.js';

// Other work on the machine may slow this down.
jest.setTimeout(60_000);

describe('reports on disk', () => {
  let dir = '';
  beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), 'malkoha-reports-'))));
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const signal = () => AbortSignal.timeout(30_000);

  test('both formats are written and nothing else, the same bytes again', async () => {
    const report = await sampleReport();
    const paths = await writeReports(
      report,
      join(dir, 'reports'),
      ['json', 'html'],
      folderAssets(dir),
      signal(),
    );
    expect(paths).toEqual([join(dir, 'reports/report.json'), join(dir, 'reports/report.html')]);
    const first = await Promise.all(paths.map((path) => readFile(path)));
    await writeReports(report, join(dir, 'reports'), ['json', 'html'], folderAssets(dir), signal());
    expect(await Promise.all(paths.map((path) => readFile(path)))).toEqual(first);
    expect(await readdir(join(dir, 'reports'))).toEqual(['report.html', 'report.json']);
  });

  test('a report that cannot be finished leaves the older one and no rest', async () => {
    const report = await sampleReport();
    const [path = ''] = await writeReports(report, dir, ['html'], folderAssets(dir), signal());
    const before = await readFile(path, 'utf8');
    const failing = { screenshot: () => Promise.reject(new Error('disk gone')) };
    await expect(writeReports(report, dir, ['html'], failing, signal())).rejects.toMatchObject({
      code: 'REPORTING_FAILED',
    });
    expect(await readFile(path, 'utf8')).toBe(before);
    expect(await readdir(dir)).toEqual(['report.html']);
  });

  test('a cancel stops it and leaves no rest', async () => {
    const report = await sampleReport();
    await expect(writeReports(report, dir, ['json'], folderAssets(dir), AbortSignal.abort())).rejects.toThrow(
      'abort',
    );
    expect(await readdir(dir)).toEqual([]);
  });

  test('pictures are read from shots only, through no link', async () => {
    await mkdir(join(dir, 'shots'));
    await writeFile(join(dir, 'shots/0001.png'), PIXEL);
    await writeFile(join(dir, 'secret.png'), 'secret');
    await symlink('../secret.png', join(dir, 'shots/link.png'));
    const assets = folderAssets(dir);
    expect(await assets.screenshot('shots/0001.png')).toEqual(PIXEL);
    for (const path of [
      'shots/link.png',
      'shots/../secret.png',
      '../x',
      'secret.png',
      'shots/',
      'shots/none.png',
    ]) {
      expect(await assets.screenshot(path)).toBeNull();
    }
  });
});
