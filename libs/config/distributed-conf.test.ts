import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { readText } from '../../test/support/conf.js';
import { distributedSettings } from './distributed-conf.js';

const read = (...lines: readonly string[]) =>
  readText(distributedSettings, lines.join('\n'), 'distributed.conf');

function refusal(...lines: readonly string[]): string {
  try {
    read(...lines);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

test('without a file it listens on loopback, asks for no token, and nobody has said where reports go', () => {
  expect(read().settings).toEqual({
    ...{ host: '127.0.0.1', port: 9003, tokens: [], apiToken: '', rateLimit: 0 },
    ...{ uploadMaxSize: 1024 ** 3, freespace: 1024, db: 'sqlite:///dist.db', queue: '' },
    ...{ samplesDirectory: '', reportsDirectory: '', reportFormats: [], pcap: false, uptimeLogfile: null },
    ...{ interval: 10, backlog: 2, ageing: 600, lostAfter: 3600, attempts: 3, failedClean: false },
    node: { connectTimeout: 10, answerTimeout: 120, reportMaxSize: 1024 ** 3, allowLinkLocal: false },
    retention: { reportsDays: 0, statusesDays: 60 },
  });
});

test('a controller with everything', () => {
  const { settings, warnings } = read(
    ...['[distributed]', 'host = 0.0.0.0', 'port = 9004', 'api_token = t0ken', 'rate_limit = 60'],
    ...['db = postgresql+psycopg2://me:s3cret@db/dist', 'samples_directory = /srv/samples'],
    ...['reports_directory = reports', 'report_formats = json , HTML,json,', 'pcap = yes'],
    ...['uptime_logfile = /var/log/uptime.log', 'failed_clean = yes', '[nodes]', 'report_max_size = 2G'],
    ...['allow_link_local = yes', '[retention]', 'reports_days = 30', '[queue]'],
    ...['connection = redis://:pw@queue:6379/1', '[tokens]', 'mail = submit 0123456789abcdef'],
  );
  expect(warnings).toEqual([]);
  expect(settings).toMatchObject({
    ...{ host: '0.0.0.0', port: 9004, apiToken: 't0ken', rateLimit: 60, pcap: true, failedClean: true },
    ...{ db: 'postgresql+psycopg2://me:s3cret@db/dist', samplesDirectory: '/srv/samples' },
    ...{ reportsDirectory: 'reports', reportFormats: ['json', 'html'], queue: 'redis://:pw@queue:6379/1' },
    uptimeLogfile: '/var/log/uptime.log',
    tokens: [
      { name: 'api_token', scopes: ['admin'] },
      { name: 'mail', scopes: ['submit'] },
    ],
    node: { reportMaxSize: 2 * 1024 ** 3, allowLinkLocal: true },
    retention: { reportsDays: 30, statusesDays: 60 },
  });
});

test('mistakes name file, line, key and what is accepted', () => {
  expect(refusal('[distributed]', '', 'interval = 0')).toBe(
    'distributed.conf:3: [distributed] interval = "0": expected a whole number from 1 to 3600',
  );
  expect(refusal('[nodes]', 'answer_time = 5')).toBe(
    'distributed.conf:2: [nodes] answer_time is not a known key; did you mean "answer_timeout"?',
  );
  const mysql = refusal('[distributed]', 'db = mysql://me:s3cret@db/dist');
  expect(mysql).toContain('"mysql://me:…@db/dist": expected sqlite:///<path> or postgresql://');
});

test.each(['../json', 'a/b', 'json html', 'pcap', '.json', 'a'.repeat(61)])(
  'a report called %j is none',
  (name) => {
    expect(refusal('[distributed]', `report_formats = json,${name}`)).toContain(
      'expected names of reports separated by commas, such as json,html (pcap = yes is for the capture)',
    );
  },
);

test('the database goes by three names, and two that differ are told', () => {
  const db = (...lines: readonly string[]) => read('[distributed]', ...lines).settings.db;
  expect(db('database =')).toBe('sqlite:///dist.db');
  expect(db('database = postgresql://db/dist')).toBe('postgresql://db/dist');
  expect(db('SQLALCHEMY_DATABASE_URI = postgres://db/dist', 'db = postgres://db/dist')).toBe(
    'postgres://db/dist',
  );
  expect(refusal('[distributed]', 'db = sqlite:///a.db', 'database = sqlite:///b.db')).toBe(
    'distributed.conf:3: [distributed] database is another name of db, which is set to something else',
  );
});

test("keys of Cuckoo's without effect are told when they ask for something, those it ships are not", () => {
  const shipped = [
    'database =',
    'report_formats = json',
    'interval = 30',
    'threshold = 500',
    'batch_size = 500',
  ];
  expect(read('[distributed]', ...shipped).warnings).toEqual([]);
  expect(read('[distributed]', 'nfs = yes', 'auth_token = s3cret', 'treshold = 5').warnings).toEqual([
    'distributed.conf:2: [distributed] nfs: No effect: reports come over the REST API of the node.',
    'distributed.conf:3: [distributed] auth_token: No effect: the tokens are api_token and those in [tokens].',
    'distributed.conf:4: [distributed] treshold is not a known key; did you mean "threshold"?',
  ]);
});

test("CAPE's file loads as it ships", async () => {
  const file = new URL('../../test/fixtures/conf/cape/distributed.conf', import.meta.url);
  const { settings, warnings } = read(await readFile(file, 'utf8'));
  expect(warnings).toEqual([]);
  expect(settings).toMatchObject({ db: 'sqlite:///dist.db', failedClean: false });
});
