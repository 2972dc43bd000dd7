import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskFile } from '#domain/artifacts.js';
import type { Report } from '#domain/report.js';
import { examineFolder } from '#processing/run.js';
import { folderAssets } from '#reporting/assets.js';
import { writeAllReports } from '#reporting/write.js';
import { matchSignatures } from '#signatures/engine.js';
import { loadSignatures } from '#signatures/load.js';
import { score } from '#signatures/score.js';
import type { Signature } from '#signatures/signature.js';

jest.setTimeout(60_000);

const FIXTURES = 'test/fixtures/strace';

const task = (target: string): TaskFile => ({
  task: {
    id: 7,
    status: 'completed',
    category: 'file',
    target,
    package: null,
    timeout: 0,
    priority: 1,
    custom: null,
    owner: null,
    machine: null,
    platform: 'linux',
    arch: null,
    tags: [],
    options: null,
    memory: false,
    enforceTimeout: false,
    clock: null,
    addedOn: '2026-11-22T21:52:40.000Z',
    startedOn: '2026-11-22T21:52:45.000Z',
    completedOn: '2026-11-22T21:53:00.000Z',
    route: 'inetsim',
    sample: null,
  },
  guest: null,
  phases: { run: 1400 },
  outcome: { status: 'completed' },
});

/** From what real programs left behind to the reports: processing, signatures and reporting must speak one language. */
describe('recorded runs', () => {
  let root = '';
  let signatures: readonly Signature[] = [];
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'malkoha-runs-'));
    signatures = await loadSignatures();
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  async function run(
    trace: string,
    sample: string,
  ): Promise<{ readonly report: Report; readonly dir: string }> {
    const dir = await mkdtemp(join(root, 'run-'));
    await mkdir(join(dir, 'logs'));
    await writeFile(join(dir, 'task.json'), JSON.stringify(task(sample)));
    await symlink(join(process.cwd(), FIXTURES, sample), join(dir, 'binary'));
    await copyFile(join(FIXTURES, trace), join(dir, 'logs/strace.log'));
    if (trace === 'dropper.log') await copyFile(join(FIXTURES, 'dropper.pcap'), join(dir, 'dump.pcap'));
    const signal = AbortSignal.timeout(30_000);
    const onFailure = (name: string, error: unknown): never => {
      throw new Error(`${name} failed`, { cause: error });
    };
    const evidence = await examineFolder({ dir }, { onFailure }, signal);
    const matches = matchSignatures(evidence, signatures, onFailure);
    const verdict = score(matches);
    const report: Report = {
      ...evidence,
      info: { ...evidence.info, score: verdict.value },
      signatures: matches,
      malkoha: { ...evidence.malkoha, score: verdict },
    };
    await writeAllReports(report, { dir: join(dir, 'reports'), onFailure }, folderAssets(dir), signal);
    return { report, dir };
  }

  test('a shell dropper that downloads, runs, hides and cleans up', async () => {
    const { report, dir } = await run('dropper.log', 'dropper.sh');
    const names = report.signatures.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'download_and_execute',
        'executes_hidden_file',
        'executes_written_file',
        'hides_file',
      ]),
    );
    expect(report.malkoha.score.value).toBeGreaterThanOrEqual(4);
    expect(JSON.parse(await readFile(join(dir, 'reports/report.json'), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(report)),
    );
    const page = await readFile(join(dir, 'reports/report.html'), 'utf8');
    expect(page).toContain('http://evil.example/stage2.sh');
  });

  test('a daemon that poses as a kernel thread', async () => {
    const { report } = await run('daemon.log', 'daemon.c');
    expect(report.signatures.map(({ name }) => name)).toEqual(['masquerades_as_kernel_thread']);
  });

  test.each([
    ['python.log', 'sample.py'],
    ['threads.log', 'threads.c'],
  ])('ordinary programs are not accused: %s', async (trace, sample) => {
    const { report } = await run(trace, sample);
    expect(report.behavior?.processes.length).toBeGreaterThan(0);
    expect(report.signatures).toEqual([]);
  });
});
