import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { homePaths, type HomePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { SandboxError } from '#domain/errors.js';
import type { Machine } from '#domain/machine.js';
import type { Submission, Task } from '#domain/task.js';
import type { AgentClient } from '#guest/agent.js';
import { MachinePool } from '#machinery/pool.js';
import { fakeMachinery } from '#machinery/adapters/fake/fake.js';
import { openDatabase } from '#storage/database.js';
import { Tasks } from '#storage/tasks.js';
import { analyze, type Analyst } from './analyst.js';
import type { Lab } from './lab.js';
import { aSubmission } from '../../test/support/task.js';

const machine: Machine = {
  name: 'linux1',
  label: 'linux1',
  platform: 'linux',
  tags: [],
  ip: '10.0.2.15',
  resultServer: { ip: '10.0.2.2', port: 2042 },
  arch: 'x64',
  reserved: false,
  snapshot: null,
};
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

/** An agent whose analysis ends as told. */
function agentThat(
  ends: (signal: AbortSignal) => Promise<{ status: string; description: string | null }>,
): AgentClient {
  const calls: Partial<AgentClient> = {
    reach: async () => {},
    analyze: async () => {},
    waitStatus: async (_seconds, _not, signal) => ends(signal),
  };
  return calls as AgentClient;
}

function evidence() {
  return {
    failed: new AbortController().signal,
    finish: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

async function analyst(agent: AgentClient, lab: Partial<Lab> = {}): Promise<Analyst> {
  const { settings } = await loadSettings(home.conf);
  return {
    worker: 'host/1/1',
    home,
    settings: settings.cuckoo,
    tasks,
    log: () => {},
    onPhase: () => {},
    lab: {
      acquire: (wants, signal) => pool.acquire(wants, signal),
      openResults: async () => ({ accept: () => {}, ...evidence() }),
      openNetwork: async () => ({ setClock: () => {}, ...evidence() }),
      agent: () => agent,
      ...lab,
    },
  };
}

const submit = async (change: Partial<Submission> = {}): Promise<Task> =>
  tasks.create({ ...submission, ...change }, null);
const done = async () => ({ status: 'complete', description: null });

test('a task that went well is completed, and task.json tells how', async () => {
  const task = await submit();
  expect(await analyze(task, await analyst(agentThat(done)), never)).toEqual({ kind: 'done' });
  expect(await tasks.status(task.id)).toBe('completed');
  const file: unknown = JSON.parse(await readFile(join(home.analyses, String(task.id), 'task.json'), 'utf8'));
  expect(file).toMatchObject({
    outcome: { status: 'completed' },
    guest: { name: 'linux1', manager: 'fake' },
    phases: { run: expect.any(Number) },
  });
});

test('delivered twice at once, it runs once', async () => {
  const task = await submit();
  const by = await analyst(agentThat(done));
  const verdicts = await Promise.all([analyze(task, by, never), analyze(task, by, never)]);
  expect(verdicts.map(({ kind }) => kind).sort()).toEqual(['done', 'not ours']);
  expect(await tasks.status(task.id)).toBe('completed');
});

test('a machine that cannot serve it, ever: failed_analysis with the reason', async () => {
  const task = await submit({ machine: 'windows7' });
  await analyze(task, await analyst(agentThat(done)), never);
  expect(await tasks.status(task.id)).toBe('failed_analysis');
  expect((await tasks.find(task.id))?.errors[0]).toContain('[NO_MATCHING_MACHINE]');
});

test('an analyzer that failed in the guest is not a success', async () => {
  const task = await submit();
  await analyze(
    task,
    await analyst(agentThat(async () => ({ status: 'exception', description: 'no such package' }))),
    never,
  );
  expect(await tasks.status(task.id)).toBe('failed_analysis');
  expect((await tasks.find(task.id))?.errors[0]).toContain('no such package');
});

describe('a failure of the infrastructure', () => {
  const broken = (error: Error): Partial<Lab> => ({ openNetwork: () => Promise.reject(error) });

  test('is tried again, three times in all, then the task ends with the reason', async () => {
    const task = await submit();
    const by = await analyst(agentThat(done), broken(new SandboxError('CAPTURE_FAILED', 'disk full')));
    expect(await analyze(task, by, never)).toMatchObject({ kind: 'again' });
    expect(await tasks.status(task.id)).toBe('pending');
    expect(await analyze(task, by, never)).toMatchObject({ kind: 'again' });
    expect(await analyze(task, by, never)).toEqual({ kind: 'done' });
    expect(await tasks.status(task.id)).toBe('failed_analysis');
    expect((await tasks.find(task.id))?.errors.at(-1)).toMatch(/^disk full \[CAPTURE_FAILED\] \w/);
  });

  test('that cannot get better ends it at once', async () => {
    const task = await submit();
    await analyze(
      task,
      await analyst(agentThat(done), broken(new SandboxError('ROUTE_UNAVAILABLE', 'no vpn0'))),
      never,
    );
    expect(await tasks.status(task.id)).toBe('failed_analysis');
  });
});

test('a worker that shuts down hands the task back, and the attempt does not count', async () => {
  const task = await submit();
  const shutdown = new AbortController();
  const hangs = agentThat(
    (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  );
  const running = analyze(
    task,
    {
      ...(await analyst(hangs)),
      onClaim: () => setTimeout(() => shutdown.abort(new Error('asked to end')), 20),
    },
    { ...never, shutdown: shutdown.signal },
  );
  expect(await running).toEqual({ kind: 'handed back' });
  expect(await tasks.status(task.id)).toBe('pending');
  expect((await tasks.claim(task.id, 'host/2/2'))?.attempt).toBe(1);
});

test('a task that was taken from this worker is left alone', async () => {
  const task = await submit();
  const taken = new AbortController();
  const hangs = agentThat(
    (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  );
  const by = { ...(await analyst(hangs)), onClaim: () => setTimeout(() => void steal(), 20) };
  const steal = async (): Promise<void> => {
    await tasks.move(task.id, 'running', 'pending');
    await tasks.claim(task.id, 'host/2/2');
    taken.abort(new SandboxError('CANCELLED', 'taken'));
  };
  expect(await analyze(task, by, { ...never, taken: taken.signal })).toEqual({ kind: 'not ours' });
  expect(await tasks.status(task.id)).toBe('running');
});

test('a cancel stops the run: the machine is free, what was collected stays, task.json says why it ends there', async () => {
  const task = await submit();
  const taken = new AbortController();
  const hangs = agentThat(
    (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  );
  const cancel = async (): Promise<void> => {
    expect(await tasks.cancel(task.id, 'Cancelled')).toBe(true);
    taken.abort(new SandboxError('CANCELLED', 'taken'));
  };
  const by = { ...(await analyst(hangs)), onClaim: () => setTimeout(() => void cancel(), 20) };
  expect(await analyze(task, by, { ...never, taken: taken.signal })).toEqual({ kind: 'not ours' });
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
  expect(await analyze(task, await analyst(late), never)).toEqual({ kind: 'not ours' });
  expect(await tasks.find(task.id)).toMatchObject({
    task: { status: 'failed_analysis' },
    guest: { status: 'stopped' },
  });
});

test('a run that was taken away does not write over the one that took its place', async () => {
  const task = await submit();
  const late = agentThat(async () => {
    await tasks.move(task.id, 'running', 'pending');
    await tasks.claim(task.id, 'host/2/2');
    return done();
  });
  expect(await analyze(task, await analyst(late), never)).toEqual({ kind: 'not ours' });
  await expect(readFile(join(home.analyses, String(task.id), 'task.json'))).rejects.toMatchObject({
    code: 'ENOENT',
  });
  expect(await tasks.status(task.id)).toBe('running');
});

test('a full disk is the operator’s to mend, not a defect', async () => {
  const task = await submit();
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  await analyze(task, await analyst(agentThat(done), { openResults: () => Promise.reject(full) }), never);
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
  expect(
    await analyze(task, await analyst(agentThat(done), { openResults: async () => lossy }), never),
  ).toMatchObject({ kind: 'again' });
  expect((await tasks.find(task.id))?.errors.at(-1)).toContain('logs/strace.log');
});

describe('a memory dump', () => {
  const dumps = (dumpMemory: (path: string) => Promise<void>): Partial<Lab> => {
    const machinery = fakeMachinery([machine]);
    const acquire: Lab['acquire'] = async (wants, signal) => {
      const lease = await pool.acquire(wants, signal);
      return {
        ...lease,
        machinery: { ...machinery, dumpMemory: (_machine, path) => dumpMemory(path) },
        lost: lease.lost,
        [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
      };
    };
    return { acquire };
  };

  test('is made when the task asks for it, or cuckoo.conf for every task', async () => {
    const made: string[] = [];
    const by = await analyst(
      agentThat(done),
      dumps(async (path) => void made.push(path)),
    );
    const [asked, unasked] = [await submit({ memory: true }), await submit()];
    for (const task of [asked, unasked]) await analyze(task, by, never);
    const cuckoo = { ...by.settings.cuckoo, memory_dump: true };
    const always = { ...by, settings: { ...by.settings, cuckoo } };
    const third = await submit();
    await analyze(third, always, never);
    expect(made).toEqual([asked.id, third.id].map((id) => join(home.analyses, String(id), 'memory.dmp')));
  });

  test('that failed is told, and costs nothing else of the run', async () => {
    const full = new SandboxError('NO_DISK_SPACE', 'no room');
    const by = await analyst(
      agentThat(done),
      dumps(() => Promise.reject(full)),
    );
    const task = await submit({ memory: true });
    expect(await analyze(task, by, never)).toEqual({ kind: 'done' });
    const found = await tasks.find(task.id);
    expect(found?.task.status).toBe('completed');
    expect(found?.errors).toEqual([
      expect.stringMatching(/^there is no memory dump of linux1: no room \[NO_DISK_SPACE\] \w/),
    ]);
  });
});
