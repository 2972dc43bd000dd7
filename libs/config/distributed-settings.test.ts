import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { loadDistributed, withOptions, type DistributedOptions } from './distributed-settings.js';
import { homePaths, type HomePaths } from './home.js';

let home: HomePaths;
beforeEach(async () => {
  home = homePaths(await mkdtemp(join(tmpdir(), 'malkoha-distributed-')));
  await mkdir(home.conf);
});
afterEach(() => rm(home.dir, { recursive: true }));

async function settings(options: DistributedOptions, ...lines: readonly string[]) {
  await writeFile(join(home.conf, 'distributed.conf'), ['[distributed]', ...lines].join('\n'));
  return withOptions((await loadDistributed(home)).settings, options, home);
}

const NEEDED = {
  'samples-directory': '/srv/samples',
  'reports-directory': '/srv/reports',
  'report-formats': ' json, html ,json',
};

test('what is needed and named nowhere is asked for, in one sentence', async () => {
  await expect(settings({})).rejects.toMatchObject({
    code: 'USAGE',
    message:
      'distributed: report_formats, samples_directory and reports_directory are needed: give --report-formats json,html ' +
      `--samples-directory DIR --reports-directory DIR, or set them in [distributed] of ${home.conf}/distributed.conf`,
  });
  await expect(settings({ ...NEEDED, 'samples-directory': '' })).rejects.toMatchObject({
    message: expect.stringContaining(
      'samples_directory is needed: give --samples-directory DIR, or set it in',
    ),
  });
  await expect(settings({ ...NEEDED, 'report-formats': ' , ' })).rejects.toMatchObject({
    message: expect.stringContaining('report_formats is needed'),
  });
});

test('options go over the file; their paths begin at the working folder, those of the file at the home', async () => {
  const lines = ['samples_directory = samples', 'reports_directory = /srv/r', 'report_formats = json'];
  expect(await settings({}, ...lines)).toMatchObject({
    ...{ samplesDirectory: join(home.dir, 'distributed', 'samples'), reportsDirectory: '/srv/r' },
    ...{ reportFormats: ['json'], db: 'sqlite:///dist.db', uptimeLogfile: null },
  });
  const options = {
    ...NEEDED,
    'samples-directory': 'in',
    'uptime-logfile': 'up.log',
    queue: 'unix:///run/redis.sock',
    db: 'sqlite:///my.db',
  };
  const given = await settings(options, ...lines, 'uptime_logfile = other.log');
  expect(given).toMatchObject({
    ...{ samplesDirectory: resolve('in'), reportsDirectory: '/srv/reports', reportFormats: ['json', 'html'] },
    ...{
      queue: 'unix:///run/redis.sock',
      uptimeLogfile: resolve('up.log'),
      db: `sqlite:///${resolve('my.db')}`,
    },
  });
  expect(Object.isFrozen(given.reportFormats)).toBe(true);
});

test.each([
  [{ db: 'mysql://db/dist' }, '--db takes sqlite:///<path> or postgresql://'],
  [{ queue: 'mysql://db/0' }, '--queue takes redis://<host>:<port> or unix:///<path'],
  [{ 'report-formats': '../json' }, '--report-formats takes names of reports'],
  [{ 'reports-directory': '/srv/samples/' }, 'samples and reports are both to be in /srv/samples'],
])('%j is refused', async (options, sentence) => {
  await expect(settings({ ...NEEDED, ...options })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(sentence),
  });
});

test('a file that is wrong is told with its line', async () => {
  await expect(settings(NEEDED, 'port = x')).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('distributed.conf:2: [distributed] port = "x"'),
  });
});
