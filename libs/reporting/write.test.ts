import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reason } from '#domain/errors.js';
import { PIXEL, rendered, sampleReport } from '../../test/support/report.js';
import { folderAssets } from './assets.js';
import { FORMATS, writeAllReports, writeReports } from './write.js';

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

  const ALL = [
    'report.html',
    'report.json',
    'report.maec-1.1.xml',
    'report.maec-5.0.json',
    'report.metadata.xml',
    'report.pdf',
  ];

  test('every format is written, and text and bytes are as they were made', async () => {
    const report = await sampleReport();
    const failures: string[] = [];
    const onFailure = (file: string): void => void failures.push(file);
    await writeAllReports(report, { dir, onFailure }, folderAssets(dir), signal());
    expect(failures).toEqual([]);
    expect(await readdir(dir)).toEqual(ALL);
    for (const format of Object.values(FORMATS)) {
      expect(await readFile(join(dir, `report.${format.extension}`))).toEqual(await rendered(format, report));
    }
  });

  test('an extra format that fails costs itself alone', async () => {
    const report = await sampleReport();
    const failures: string[] = [];
    let asked = 0;
    // The page shows eight pictures; the next to ask is the PDF.
    const failing = {
      screenshot: async () => {
        if (++asked > 8) throw new Error('disk gone');
        return PIXEL;
      },
    };
    const onFailure = (file: string, error: unknown): void => void failures.push(`${file}: ${reason(error)}`);
    await writeAllReports(report, { dir, onFailure }, failing, signal());
    expect(failures).toEqual([`report.pdf: ${join(dir, 'report.pdf')} could not be written: disk gone`]);
    expect(await readdir(dir)).toEqual(ALL.filter((name) => name !== 'report.pdf'));
  });

  test('a report that cannot be written is no report, whatever the others could say', async () => {
    const report = await sampleReport();
    const failing = { screenshot: () => Promise.reject(new Error('disk gone')) };
    const all = writeAllReports(report, { dir, onFailure: () => undefined }, failing, signal());
    await expect(all).rejects.toMatchObject({ code: 'REPORTING_FAILED' });
    expect(await readdir(dir)).toEqual(['report.json']);
  });

  test('a cancel is no failure of a format', async () => {
    const report = await sampleReport();
    const failures: string[] = [];
    const cancel = new AbortController();
    let asked = 0;
    const assets = {
      screenshot: async () => {
        if (++asked > 8) cancel.abort();
        return PIXEL;
      },
    };
    const onFailure = (file: string): void => void failures.push(file);
    await expect(writeAllReports(report, { dir, onFailure }, assets, cancel.signal)).rejects.toThrow('abort');
    expect(failures).toEqual([]);
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
