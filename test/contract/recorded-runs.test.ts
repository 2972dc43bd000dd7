import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskFile } from '#domain/artifacts.js';
import type { Report } from '#domain/report.js';
import { loadSignatures } from '#signatures/load.js';
import type { Signature } from '#signatures/signature.js';
import { examine } from '../../apps/worker/examine.js';

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
    const phases: string[] = [];
    const onPhase = (phase: string): void => void phases.push(phase);
    const report = await examine(dir, { signatures, onFailure, onPhase }, signal);
    expect(phases).toEqual(['processing', 'signatures', 'reporting']);
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

  test('the phases of the run are in the report, those of its making are not: it has the same bytes again', async () => {
    const { report, dir } = await run('dropper.log', 'dropper.sh');
    expect(report.malkoha.phases).toEqual({ run: 1400 });
    const files = ['report.json', 'report.html'].map((name) => join(dir, 'reports', name));
    const before = await Promise.all(files.map((file) => readFile(file, 'utf8')));
    expect(before[1]).toMatch(/Where the time went[^]*1\.4 s/);
    const onFailure = (): void => {};
    await examine(dir, { signatures, onFailure }, AbortSignal.timeout(30_000));
    expect(await Promise.all(files.map((file) => readFile(file, 'utf8')))).toEqual(before);
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
