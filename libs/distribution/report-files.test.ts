import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isFormat, ReportFiles } from './report-files.js';

let dir: string;
let folder: string;
let reports: ReportFiles;
/** Tasks that are not deleted. */
let wanted: Set<number>;
const never = new AbortController().signal;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'malkoha-reports-'));
  folder = join(dir, 'below', 'reports');
  wanted = new Set([1, 2, 3]);
  reports = new ReportFiles(folder, async (ids) => new Set(ids.filter((id) => wanted.has(id))));
});
afterEach(() => rm(dir, { recursive: true }));

async function put(taskId: number, format: string, text: string): Promise<string> {
  const temporary = await reports.temporary(taskId, format);
  await writeFile(temporary, text, { flag: 'wx' });
  return reports.keep(temporary, taskId, format);
}

async function read(taskId: number, format: string): Promise<string | null> {
  await using file = await reports.open(taskId, format);
  return file === null ? null : await file.readFile('utf8');
}

test('a report is there once it is kept, and one kept later takes its place', async () => {
  expect(await read(7, 'json')).toBeNull();
  const temporary = await reports.temporary(7, 'json');
  await writeFile(temporary, '{');
  expect(await read(7, 'json')).toBeNull();
  expect(await put(7, 'json', '{}')).toBe(join(folder, '7', 'report.json'));
  expect(await put(7, 'pcap', 'p')).toBe(join(folder, '7', 'dump.pcap'));
  expect([await read(7, 'json'), await read(7, 'pcap'), await read(7, 'html')]).toEqual(['{}', 'p', null]);
  await put(7, 'json', '[]');
  expect(await readFile(reports.path(7, 'json'), 'utf8')).toBe('[]');
  for (const made of [folder, join(folder, '7'), join(folder, '.incoming')])
    expect((await stat(made)).mode & 0o777).toBe(0o700);
  await reports.remove(7);
  await reports.remove(7);
  expect(await read(7, 'json')).toBeNull();
});

test('two who bring the same report at once do not meet', async () => {
  const [one, two] = [await reports.temporary(7, 'json'), await reports.temporary(7, 'json')];
  expect(one).not.toBe(two);
});

test('what killed processes left is swept, what is being written is not', async () => {
  const [old, young] = [await reports.temporary(1, 'json'), await reports.temporary(2, 'json')];
  for (const path of [old, young]) await writeFile(path, '');
  await utimes(old, 0, 0);
  await put(3, 'json', '{}');
  await reports.sweep(never);
  expect((await readdir(join(folder, '.incoming'))).map((name) => join(folder, '.incoming', name))).toEqual([
    young,
  ]);
  expect(await read(3, 'json')).toBe('{}');
});

test('reports of tasks that are deleted, or unknown, go after an hour', async () => {
  for (const id of [1, 2, 900]) await put(id, 'json', '{}');
  for (const name of ['x', '007', '99999999999']) await mkdir(join(folder, name));
  wanted.delete(2);
  await reports.sweep(never);
  expect(await readdir(folder)).toHaveLength(7);
  const later = Date.now() + 3_601_000;
  await expect(reports.sweep(AbortSignal.abort(new Error('ended')), later)).rejects.toThrow('ended');
  expect(await readdir(folder)).toHaveLength(7);
  await reports.sweep(never, later);
  expect((await readdir(folder)).toSorted()).toEqual(['.incoming', '007', '1', '99999999999', 'x']);
});

test.each(['', '.', '..', '../x', 'a/b', 'a\\b', '.hidden', 'JSON', 'ä', 'a\0', 'a\n', 'x'.repeat(65)])(
  '%j is no format, and leads nowhere',
  async (format) => {
    expect(isFormat(format)).toBe(false);
    expect(await reports.open(1, format)).toBeNull();
    expect(() => reports.path(1, format)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
    await expect(reports.temporary(1, format)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    await expect(reports.keep(join(dir, 'x'), 1, format)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  },
);

test('a link in place of a report, or of its folder, is not followed', async () => {
  await writeFile(join(dir, 'report.json'), 'secret');
  await mkdir(join(folder, '1'), { recursive: true });
  await symlink(join(dir, 'report.json'), join(folder, '1', 'report.json'));
  await symlink(dir, join(folder, '2'));
  expect([await read(1, 'json'), await read(2, 'json')]).toEqual([null, null]);
});
