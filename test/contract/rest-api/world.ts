import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '#domain/machine.js';
import type { TaskStatus } from '#domain/task.js';
import { analysisDir } from '#storage/analyses.js';
import type { TestApi } from '../../support/api.js';
import { drive, form, post, submit } from '../../support/api-client.js';

/**
 * States a row may start from. `reported` has every artefact; `bare` is reported with an empty folder; `gone` is reported
 * without a folder; `unknown` is an id that no task has.
 */
export type Given =
  'pending' | 'url' | 'running' | 'completed' | 'reported' | 'bare' | 'gone' | 'failed' | 'unknown';

const STATES: Readonly<Record<Exclude<Given, 'unknown' | 'url'>, readonly TaskStatus[]>> = {
  pending: [],
  running: ['running'],
  completed: ['running', 'completed'],
  reported: ['running', 'completed', 'reported'],
  bare: ['running', 'completed', 'reported'],
  gone: ['running', 'completed', 'reported'],
  failed: ['running', 'failed_analysis'],
};

/** As its worker would register it. */
export const LINUX1: Machine = {
  name: 'linux1',
  label: 'linux1',
  platform: 'linux',
  tags: ['x64'],
  ip: '192.168.56.101',
  resultServer: { ip: '192.168.56.1', port: 2042 },
  arch: 'x64',
  reserved: false,
  snapshot: null,
};

export const REPORT = {
  info: { id: 1, score: 4.2, machine: { name: 'linux1' } },
  target: { category: 'file' },
  behavior: { summary: { file_written: ['/tmp/x'] }, generic: [1], apistats: { a: 1 }, processes: [1] },
  debug: { log: [] },
  screenshots: [],
  metadata: {},
  procmemory: [],
  signatures: [],
  nothing: null,
};

/** Relative to the analysis folder. */
const FILES: Readonly<Record<string, string>> = {
  'reports/report.json': JSON.stringify(REPORT),
  'reports/report.html': '<!doctype html><title>r</title>',
  'reports/report.maec-1.1.xml': '<?xml version="1.0"?><MAEC_Bundle/>',
  'reports/report.maec-5.0.json': '{"type":"package"}',
  'reports/report.metadata.xml': '<?xml version="1.0"?><malwareMetaData/>',
  'reports/report.pdf': '%PDF-1.7',
  'shots/0001.jpg': '\xff\xd8one',
  'shots/0002.jpg': '\xff\xd8two',
  'files/0123456789abcdef_dropped.txt': 'dropped',
  'package_files/rules.txt': 'rules',
  'memory/1908-1.dmp': 'memory of a process',
  'logs/strace.log': 'execve',
  'memory.dmp': 'memory of the machine',
  'dump.pcap': 'capture',
  'analysis.log': 'log',
};

/** Makes what `given` says and returns its id. */
export async function make(api: TestApi, given: Given): Promise<number> {
  if (given === 'unknown') return 999_999;
  if (given === 'url') {
    const { body } = await post(api, '/tasks/create/url', form({ url: 'http://example.test/a' }));
    return body.task_id;
  }
  const id = await submit(api, 'sample.sh', `#!/bin/sh\necho ${given}`);
  await drive(api, id, ...STATES[given]);
  const dir = analysisDir(api.context.home.analyses, id);
  if (given === 'bare' || given === 'running') await mkdir(dir, { recursive: true });
  if (given !== 'reported' && given !== 'completed') return id;
  for (const [name, content] of Object.entries(FILES)) {
    if (given === 'completed' && name.startsWith('reports/')) continue;
    await mkdir(join(dir, name, '..'), { recursive: true });
    await writeFile(join(dir, name), content, 'latin1');
  }
  const sample = (await api.context.tasks.get(id)).sample?.sha256 ?? '';
  await symlink(join('..', '..', 'binaries', sample), join(dir, 'binary'));
  return id;
}
