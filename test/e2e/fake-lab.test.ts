import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, jest, test } from '@jest/globals';
import type { TaskFile } from '#domain/artifacts.js';
import { FAULTS } from '#domain/faults.js';
import type { Report } from '#domain/report.js';
import { TERMINAL, type TaskStatus } from '#domain/task.js';
import { DEFAULT_LIMITS } from '#resultserver/limits.js';
import { makeHome, malkoha, SAMPLES, start, type Home, type Running } from '../support/malkoha.js';

/** A whole lab without a hypervisor: everything but the guests is the real thing. */
jest.setTimeout(240_000);

/** Longer than a slow boot, short enough to wait for a dead agent three times. */
const CONF = '[timeouts]\ncritical = 5\n';
const PLAIN = 100 - FAULTS.length - 1;

interface Seen {
  readonly status: TaskStatus;
  readonly errors: readonly string[];
}

async function submit(home: Home, content: string, options: string): Promise<number> {
  const body = new FormData();
  body.append('file', new Blob([content]), 'sample.sh');
  body.append('options', options);
  body.append('timeout', options === 'fake=flood' ? '60' : '1');
  const response = await fetch(`${home.url}/tasks/create/file`, { method: 'POST', body });
  return ((await response.json()) as { task_id: number }).task_id;
}

async function ended(home: Home, id: number): Promise<Seen> {
  for (;;) {
    const response = await fetch(`${home.url}/tasks/view/${id}`);
    const { task } = (await response.json()) as { task: Seen };
    if (TERMINAL.includes(task.status)) return task;
    await sleep(200);
  }
}

const read = async (home: Home, id: number, name: string): Promise<string> =>
  readFile(join(home.dir, 'storage', 'analyses', String(id), name), 'utf8');
const reportOf = async (home: Home, id: number): Promise<Report> =>
  JSON.parse(await read(home, id, 'reports/report.json')) as Report;

/** Also of a daemon that an expectation left running. */
async function ending(daemon: Running): Promise<void> {
  daemon.process.kill('SIGINT');
  await daemon.ended;
}

test('a hundred tasks on 64 machines: each ends, and each fault ends as it should', async () => {
  await using home = await makeHome(CONF);
  const daemon = start(home, 'up', '--machinery', 'fake', '--machines', '64');
  await using _ = { [Symbol.asyncDispose]: () => ending(daemon) };
  await daemon.said(/Malkoha is up/);
  expect(await malkoha(home, 'analyze', join(SAMPLES, 'noop.sh'), '--machinery', 'fake')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('a daemon runs at'),
  });

  const faults = new Map<string, number>();
  for (const fault of [...FAULTS, 'typo'])
    faults.set(fault, await submit(home, `echo ${fault}`, `fake=${fault}`));
  const plain = await Promise.all(
    Array.from({ length: PLAIN }, (_, n) => submit(home, `echo ${n}`, `fake_ms=${n}`)),
  );

  for (const id of plain) expect(await ended(home, id)).toMatchObject({ status: 'reported', errors: [] });
  const report = await reportOf(home, plain[0] ?? 0);
  expect(report.info.machine).toMatchObject({ manager: 'fake', name: expect.stringMatching(/^fake\d+$/) });
  expect(report.malkoha.notes).toEqual([expect.stringContaining('the sample did not run')]);
  expect(report.behavior?.processtree).toMatchObject([
    { process_name: 'sample.sh', children: expect.arrayContaining([expect.anything()]) },
  ]);
  expect(report.dropped).toHaveLength(1);
  expect(report.screenshots).toHaveLength(1);
  expect(report.network).toMatchObject({ dns: [], tcp: [], http: [] });

  const seen = new Map<string, Seen>();
  for (const [fault, id] of faults) seen.set(fault, await ended(home, id));
  const failed = (code: string) => ({
    status: 'failed_analysis',
    errors: expect.arrayContaining([expect.stringContaining(`[${code}]`)]),
  });
  const reported = { status: 'reported', errors: [] };
  expect(Object.fromEntries(seen)).toEqual(
    Object.fromEntries(
      Object.entries({
        slow_boot: reported,
        no_start: failed('MACHINE_START_FAILED'),
        dead_agent: failed('AGENT_UNREACHABLE'),
        hang: reported,
        crash: failed('GUEST_LOST'),
        flood: reported,
        wrong_ip: reported,
        no_stop: reported,
        typo: failed('BAD_REQUEST'),
      }).map(([fault, as]) => [fault, expect.objectContaining(as)]),
    ),
  );
  const id = (fault: string): number => faults.get(fault) ?? 0;
  const taskFile = async (fault: string) => JSON.parse(await read(home, id(fault), 'task.json')) as TaskFile;
  expect((await taskFile('hang')).outcome).toEqual({ status: 'timed_out' });
  expect((await taskFile('slow_boot')).phases['agent']).toBeGreaterThan(2_000);
  expect(await read(home, id('crash'), 'logs/strace.log')).toContain('execve(');
  const flooded = await stat(join(home.dir, 'storage', 'analyses', String(id('flood')), 'analysis.log'));
  expect(flooded.size).toBe(DEFAULT_LIMITS.logBytes);
  expect((await reportOf(home, id('wrong_ip'))).behavior).toBeUndefined();
  await daemon.said(/fake\d+ does not work: fake\d+ did not stop/);

  daemon.process.kill('SIGINT');
  expect((await daemon.ended).code).toBe(0);
});

test('one command, one report, said to be made up; cuckoo.conf can choose the machinery too', async () => {
  await using home = await makeHome('[cuckoo]\nmachinery = fake\n');
  await writeFile(
    join(home.dir, 'conf', 'fake.conf'),
    '[fake]\nmachines = 1, office\n[office]\nplatform = windows\n',
  );
  const run = await malkoha(home, 'analyze', join(SAMPLES, 'noop.sh'), '--platform', 'windows');
  expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining('the sample did not run') });
  const { info } = await reportOf(home, 1);
  expect(info).toMatchObject({ platform: 'windows', machine: { name: 'office', manager: 'fake' } });
});

test('machinery that is not there is wrong usage, or a wrong line of cuckoo.conf', async () => {
  await using home = await makeHome('[cuckoo]\nmachinery = qemu,vmware\n');
  expect(await malkoha(home, 'up', '--machinery', 'fake,vbox')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--machinery takes qemu, kvm, virtualbox, fake, or several'),
  });
  expect(await malkoha(home, 'up')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/cuckoo\.conf: \[cuckoo\] machinery = qemu,vmware: "vmware" is not one of/),
  });
});
