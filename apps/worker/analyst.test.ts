import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { homePaths, type HomePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { SandboxError } from '#domain/errors.js';
import type { Submission, Task } from '#domain/task.js';
import type { AgentClient } from '#guest/agent.js';
import { fakeMachinery } from '#machinery/adapters/fake/fake.js';
import type { MachineLease } from '#machinery/lease.js';
import type { Machinery } from '#machinery/machinery.js';
import { MachinePool } from '#machinery/pool.js';
import { openDatabase } from '#storage/database.js';
import { Tasks } from '#storage/tasks.js';
import { openArtifacts } from '../open-artifacts.js';
import { analyze, type Analyst, type Ends } from './analyst.js';
import type { Lab } from './lab.js';
import { agentThat, evidence } from '../../test/support/held-lab.js';
import { aMachine } from '../../test/support/machine.js';
import { aSubmission, ON } from '../../test/support/task.js';

const machine = aMachine('linux1');
const submission = aSubmission({ timeout: 5 });
const never = { shutdown: new AbortController().signal, taken: new AbortController().signal };

let home: HomePaths;
let db: DataSource;
let tasks: Tasks;
let pool: MachinePool;

beforeEach(async () => {
  home = homePaths(await mkdtemp(join(tmpdir(), 'analyst-')));
  db = await openDatabase(`sqlite://${home.database}`);
  tasks = new Tasks(db);
  pool = new MachinePool([fakeMachinery([machine])], { startLimit: 1 });
});
afterEach(async () => {
  await pool.close(AbortSignal.timeout(5000));
  await db.destroy();
  await rm(home.dir, { recursive: true, force: true });
});

/** An agent whose analysis lasts until it is ended from here; `begun` hears that it runs. */
const hangs = (begun: () => unknown): AgentClient =>
  agentThat(
    (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        void begun();
      }),
  );

async function analyst(agent: AgentClient, lab: Partial<Lab> = {}): Promise<Analyst> {
  const { settings } = await loadSettings(home.conf);
  return {
    worker: 'host/1/1',
    home,
    settings: settings.cuckoo,
    tasks,
    artifacts: openArtifacts(settings.cuckoo.artifacts, home, db),
    log: () => {},
    onPhase: () => {},
    lab: {
      openResults: async () => ({ accept: () => {}, ...evidence() }),
      openNetwork: async () => ({ setClock: () => {}, ...evidence() }),
      agent: () => agent,
      ...lab,
    },
  };
}

const submit = async (change: Partial<Submission> = {}): Promise<Task> =>
  tasks.create({ ...submission, ...change }, null);
/** As the dispatcher runs it: with a machine that is then the run's to give back. */
const run = async (task: Task, by: Analyst, ends: Ends = never) =>
  analyze(task.id, await pool.acquire(task, AbortSignal.timeout(5000)), by, ends);
const done = async () => ({ status: 'complete', description: null });

test('a task that went well is completed, and task.json tells how', async () => {
  const task = await submit();
  expect(await run(task, await analyst(agentThat(done)))).toEqual({
    ...{ kind: 'done', status: 'completed', priority: 1, blame: null },
  });
  expect(await tasks.status(task.id)).toBe('completed');
  const file: unknown = JSON.parse(await readFile(join(home.analyses, String(task.id), 'task.json'), 'utf8'));
  expect(file).toMatchObject({
    outcome: { status: 'completed' },
    guest: { name: 'linux1', manager: 'fake' },
    phases: { run: expect.any(Number) },
  });
});

test('taken twice at once, it runs once, and the machine of the other is free again', async () => {
  await pool.close(AbortSignal.timeout(5000));
  pool = new MachinePool([fakeMachinery([machine, aMachine('linux2')])], { startLimit: 2 });
  const task = await submit();
  const by = await analyst(agentThat(done));
  const verdicts = await Promise.all([run(task, by), run(task, by)]);
  expect(verdicts.map(({ kind }) => kind).sort()).toEqual(['done', 'not ours']);
  expect(await tasks.status(task.id)).toBe('completed');
  await using first = await pool.acquire(task, AbortSignal.timeout(5000));
  await using second = await pool.acquire(task, AbortSignal.timeout(5000));
  expect([first.machine.name, second.machine.name].sort()).toEqual(['linux1', 'linux2']);
});

test('an analyzer that failed in the guest is not a success', async () => {
  const task = await submit();
  const fails = agentThat(async () => ({ status: 'exception', description: 'no such package' }));
  expect(await run(task, await analyst(fails))).toMatchObject({ status: 'failed_analysis', blame: null });
  expect(await tasks.status(task.id)).toBe('failed_analysis');
  expect(await tasks.find(task.id)).toMatchObject({
    task: { outcome: 'agent_refused' },
    errors: [expect.stringContaining('no such package')],
  });
});

describe('a failure of the infrastructure', () => {
  const broken = (error: Error): Partial<Lab> => ({ openNetwork: () => Promise.reject(error) });

  test('is tried again, three times in all, then the task ends with the reason', async () => {
    const task = await submit();
    const by = await analyst(agentThat(done), broken(new SandboxError('CAPTURE_FAILED', 'disk full')));
    const blame = 'linux1: disk full';
    expect(await run(task, by)).toMatchObject({ kind: 'again', avoid: ['linux1'], blame });
    expect(await tasks.get(task.id)).toMatchObject({ status: 'pending', outcome: 'capture_failed' });
    expect(await run(task, by)).toMatchObject({ kind: 'again', claim: { attempt: 2, avoid: ['linux1'] } });
    expect(await run(task, by)).toMatchObject({ kind: 'done', status: 'failed_analysis', blame });
    expect(await tasks.get(task.id)).toMatchObject({ status: 'failed_analysis', outcome: 'capture_failed' });
    expect((await tasks.find(task.id))?.errors).toEqual([
      'attempt 1 of 3, on linux1: disk full',
      'attempt 2 of 3, on linux1: disk full',
      expect.stringMatching(/^disk full \[CAPTURE_FAILED\] \w/),
    ]);
  });

  test.each(['ROOTER_AWAY', 'SETUP_MISSING'] as const)(
    'that every task of this host has (%s) costs the task nothing, however often it is met before the machine runs',
    async (code) => {
      const task = await submit();
      const by = await analyst(agentThat(done), broken(new SandboxError(code, 'it is away')));
      for (let n = 0; n < 5; n++)
        expect(await run(task, by)).toMatchObject({ kind: 'host fails', blame: 'linux1: it is away' });
      expect(await tasks.status(task.id)).toBe('pending');
      expect(await run(task, await analyst(agentThat(done)))).toMatchObject({ status: 'completed' });
    },
  );

  test('a rooter that goes away while the machine runs costs an attempt', async () => {
    const task = await submit();
    const away = new AbortController();
    const network = { setClock: () => {}, ...evidence(), failed: away.signal };
    const agent = hangs(() => away.abort(new SandboxError('ROOTER_AWAY', 'it is lost')));
    const by = await analyst(agent, { openNetwork: async () => network });
    expect(await run(task, by)).toMatchObject({ kind: 'again', blame: 'linux1: it is lost' });
    expect((await tasks.runs.claim(task.id, 'host/2/2', ON))?.attempt).toBe(2);
  });

  test('that cannot get better ends it at once', async () => {
    const task = await submit();
    const by = await analyst(agentThat(done), broken(new SandboxError('ROUTE_UNAVAILABLE', 'no vpn0')));
    expect(await run(task, by)).toMatchObject({ status: 'failed_analysis', blame: null });
    expect(await tasks.status(task.id)).toBe('failed_analysis');
  });
});

test('a worker that shuts down hands the task back, and the attempt does not count', async () => {
  const task = await submit();
  const shutdown = new AbortController();
  const by = await analyst(hangs(() => shutdown.abort(new Error('asked to end'))));
  const verdict = await run(task, by, { ...never, shutdown: shutdown.signal });
  expect(verdict).toMatchObject({ kind: 'handed back', claim: { task: { id: task.id }, attempt: 1 } });
  expect(await tasks.status(task.id)).toBe('pending');
  expect((await tasks.runs.claim(task.id, 'host/2/2', ON))?.attempt).toBe(1);
});

test('a worker that shuts down as soon as it has claimed a task hands it back too', async () => {
  const task = await submit();
  const shutdown = new AbortController();
  const onClaim = () => shutdown.abort(new Error('asked to end'));
  const verdict = await run(task, await analyst(agentThat(done)), {
    ...never,
    shutdown: shutdown.signal,
    onClaim,
  });
  expect(verdict).toMatchObject({ kind: 'handed back' });
  await using lease = await pool.acquire(task, AbortSignal.timeout(5000));
  expect(lease.machine.name).toBe('linux1');
});

test('a task that was taken from this worker is left alone', async () => {
  const task = await submit();
  const taken = new AbortController();
  const steal = async (): Promise<void> => {
    await tasks.move(task.id, 'running', 'pending');
    await tasks.runs.claim(task.id, 'host/2/2', ON);
    taken.abort(new SandboxError('CANCELLED', 'taken'));
  };
  const verdict = await run(task, await analyst(hangs(steal)), { ...never, taken: taken.signal });
  expect(verdict).toEqual({ kind: 'not ours' });
  expect(await tasks.status(task.id)).toBe('running');
});

test('a cancel stops the run: the machine is free, what was collected stays, task.json says why it ends there', async () => {
  const task = await submit();
  const taken = new AbortController();
  const cancel = async (): Promise<void> => {
    expect(await tasks.cancel(task.id, 'Cancelled')).toEqual({ worker: 'host/1/1' });
    taken.abort(new SandboxError('CANCELLED', 'taken'));
  };
  const verdict = await run(task, await analyst(hangs(cancel)), { ...never, taken: taken.signal });
  expect(verdict).toEqual({ kind: 'not ours' });
  expect(await tasks.find(task.id)).toMatchObject({
    task: { status: 'failed_analysis' },
    guest: { status: 'stopped', shutdownOn: expect.any(Date) },
    errors: ['Cancelled'],
  });
  const file: unknown = JSON.parse(await readFile(join(home.analyses, String(task.id), 'task.json'), 'utf8'));
  expect(file).toMatchObject({ outcome: { status: 'failed', code: 'CANCELLED' } });
  await using lease = await pool.acquire(task, AbortSignal.timeout(5000));
  expect(lease.machine.name).toBe('linux1');
});

test('a cancel just as the run ends is a cancel', async () => {
  const task = await submit();
  const late = agentThat(async () => {
    await tasks.cancel(task.id, 'Cancelled');
    return done();
  });
  expect(await run(task, await analyst(late))).toEqual({ kind: 'not ours' });
  expect(await tasks.find(task.id)).toMatchObject({
    task: { status: 'failed_analysis' },
    guest: { status: 'stopped' },
  });
});

test('a run that was taken away does not write over the one that took its place', async () => {
  const task = await submit();
  const late = agentThat(async () => {
    await tasks.move(task.id, 'running', 'pending');
    await tasks.runs.claim(task.id, 'host/2/2', ON);
    return done();
  });
  expect(await run(task, await analyst(late))).toEqual({ kind: 'not ours' });
  await expect(readFile(join(home.analyses, String(task.id), 'task.json'))).rejects.toMatchObject({
    code: 'ENOENT',
  });
  expect(await tasks.status(task.id)).toBe('running');
});

test('a full disk is the operator’s to mend, not a defect', async () => {
  const task = await submit();
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  await run(task, await analyst(agentThat(done), { openResults: () => Promise.reject(full) }));
  expect((await tasks.find(task.id))?.errors.at(-1)).toContain('no space left');
  expect(await tasks.status(task.id)).toBe('pending');
});

test('evidence that did not reach the disk is not a success', async () => {
  const task = await submit();
  const lossy = {
    ...evidence(),
    accept: () => {},
    finish: () => Promise.reject(new SandboxError('NO_DISK_SPACE', '"logs/strace.log" cannot be written')),
  };
  expect(await run(task, await analyst(agentThat(done), { openResults: async () => lossy }))).toMatchObject({
    kind: 'again',
  });
  expect((await tasks.find(task.id))?.errors.at(-1)).toContain('logs/strace.log');
});

describe('a memory dump', () => {
  const dumping = async (task: Task, by: Analyst, dumpMemory: (path: string) => Promise<void>) => {
    const lease = await pool.acquire(task, AbortSignal.timeout(5000));
    const machinery: Machinery = {
      ...lease.machinery,
      dumpMemory: (_machine, path) => dumpMemory(path),
    };
    const dumps: MachineLease = {
      ...lease,
      ...{ machinery, lost: lease.lost },
      [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
    };
    return analyze(task.id, dumps, by, never);
  };

  test('is made when the task asks for it, or cuckoo.conf for every task', async () => {
    const made: string[] = [];
    const dump = async (path: string) => void made.push(path);
    const by = await analyst(agentThat(done));
    const [asked, unasked] = [await submit({ memory: true }), await submit()];
    for (const task of [asked, unasked]) await dumping(task, by, dump);
    const cuckoo = { ...by.settings.cuckoo, memory_dump: true };
    const always = { ...by, settings: { ...by.settings, cuckoo } };
    const third = await submit();
    await dumping(third, always, dump);
    expect(made).toEqual(
      [asked.id, third.id].map((id) => join(home.analyses, '.runs', `${id}-1`, 'memory.dmp')),
    );
  });

  test('that failed is told, and costs nothing else of the run', async () => {
    const full = new SandboxError('NO_DISK_SPACE', 'no room');
    const task = await submit({ memory: true });
    const verdict = await dumping(task, await analyst(agentThat(done)), () => Promise.reject(full));
    expect(verdict).toMatchObject({ kind: 'done', status: 'completed' });
    const found = await tasks.find(task.id);
    expect(found?.task.status).toBe('completed');
    expect(found?.errors).toEqual([
      expect.stringMatching(/^there is no memory dump of linux1: no room \[NO_DISK_SPACE\] \w/),
    ]);
  });
});
