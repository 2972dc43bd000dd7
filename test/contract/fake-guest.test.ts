import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { fakeLab } from '../support/fake-lab.js';
import { aTask } from '../support/task.js';

/** The scripted guest as the host meets it: our agent client on one side, the real result server on the other. */
const never = new AbortController().signal;
const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A host path with the sample's content, and the task of it. */
async function sample(dir: string, content: Buffer, name = 'a.sh') {
  const path = join(dir, 'sample');
  await writeFile(path, content);
  return { task: aTask({ target: name }), sample: { path, name } };
}

describe('a run without a fault', () => {
  test('uploads a log, a trace and a file, and says complete when all is stored', async () => {
    await using lab = await fakeLab();
    const content = Buffer.from('#!/bin/sh\necho \r\n--x\r\n');
    const phases: string[] = [];
    const job = await sample(lab.dir, content, 'fünf "eins".sh');
    expect(await lab.run({ ...job, onPhase: (name) => phases.push(name) })).toEqual({ status: 'completed' });
    expect(phases).toEqual(['agent', 'push', 'run']);
    await lab.results.finish();

    const log = await lab.read('analysis.log');
    expect(log).toContain('fake1 is a fake machine: its guest is scripted, and no sample runs in it');
    expect(log).toContain(`fünf _eins_.sh, ${content.length} bytes, sha256 ${sha256(content)}`);
    const trace = await lab.read('logs/strace.log');
    expect(trace).toMatch(/^\d+ \d+\.\d{6} execve\("\/tmp\/f\\303\\274nf _eins_\.sh", \[/);
    expect(trace).toMatch(/\+\+\+ exited with 0 \+\+\+\n$/);
    const files = (await lab.read('files.json'))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { path: string });
    expect(files.sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
      expect.objectContaining({ path: expect.stringMatching(/^files\/[0-9a-f]{16}_/), status: 'complete' }),
      expect.objectContaining({ path: 'logs/strace.log', status: 'complete' }),
    ]);
    expect(lab.anomalies).toEqual([]);
    expect(lab.results).toMatchObject({ stats: { connections: 3, refused: 0 } });
  });

  test('a sample of many chunks, and an empty one, arrive whole', async () => {
    const large = Buffer.alloc(700_001, 'sample ');
    for (const content of [large, Buffer.alloc(0)]) {
      await using lab = await fakeLab();
      await lab.run(await sample(lab.dir, content));
      expect(await lab.read('analysis.log')).toContain(`${content.length} bytes, sha256 ${sha256(content)}`);
    }
  });

  test('the same sample does the same, another one something else', async () => {
    const story = async (content: string): Promise<string> => {
      await using lab = await fakeLab();
      await lab.run(await sample(lab.dir, Buffer.from(content)));
      await lab.results.finish();
      return (await lab.read('logs/strace.log')).replaceAll(/ \d+\.\d{6} /g, ' ');
    };
    const [first, again, other] = [await story('one'), await story('one'), await story('other')];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  test('a URL is fetched, in the script', async () => {
    await using lab = await fakeLab();
    expect(await lab.run()).toEqual({ status: 'completed' });
    expect(await lab.read('logs/strace.log')).toContain(
      '["curl", "-o", "/tmp/download", "--", "http://example.test/"]',
    );
  });

  test('a guest that is not Linux has no strace', async () => {
    await using lab = await fakeLab({}, { platform: 'windows' });
    expect(await lab.run()).toEqual({ status: 'completed' });
    await expect(lab.read('logs/strace.log')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await lab.read('analysis.log')).toContain('a fake windows guest traces nothing');
  });

  test("times are those of the guest's clock", async () => {
    await using lab = await fakeLab();
    const clock = new Date('2031-05-06T07:08:09');
    await lab.run({ task: aTask({ category: 'url', target: 'http://example.test/', sample: null, clock }) });
    expect(await lab.read('analysis.log')).toMatch(/^2031-05-06 07:08:09,/);
  });

  test("the task's time limit holds, and it can be made to last that long", async () => {
    await using lab = await fakeLab({ runMs: 3_600_000 });
    expect(await lab.run({ timeoutSeconds: 0.05 })).toEqual({ status: 'completed' });
    await using patient = await fakeLab();
    const task = aTask({
      category: 'url',
      target: 'http://example.test/',
      sample: null,
      enforceTimeout: true,
    });
    const began = performance.now();
    expect(await patient.run({ task, timeoutSeconds: 0.1 })).toEqual({ status: 'completed' });
    expect(performance.now() - began).toBeGreaterThan(90);
  });

  test('it ends early when the host says so', async () => {
    await using lab = await fakeLab({ runMs: 3_600_000 });
    const running = lab.run();
    await lab.agent.waitStatus(10, null, never);
    await lab.agent.stop(never);
    expect(await running).toEqual({ status: 'completed' });
  });

  test('it boots for a while; the agent then says what it can, and refuses what makes no sense', async () => {
    await using lab = await fakeLab({ bootMs: 120 });
    await lab.machinery.start(lab.machine, never);
    expect(await lab.agent.waitReady(AbortSignal.timeout(10_000))).toMatchObject({
      version: '0.10',
      features: expect.arrayContaining(['analyze', 'waitstatus']),
    });
    expect(await lab.agent.status(never)).toEqual({ status: null, description: null });
    await lab.agent.pin(never);
    await expect(lab.agent.system(never)).rejects.toMatchObject({ code: 'AGENT_REFUSED' });
    const analysis = { config: '[analysis]\ncategory = url', clock: new Date(), sample: null };
    await lab.agent.analyze(analysis, never);
    await expect(lab.agent.analyze(analysis, never)).rejects.toThrow('An analysis was started before');
  });

  test('a machine that is off answers nothing, and its run is over', async () => {
    await using lab = await fakeLab({ runMs: 3_600_000 });
    const running = lab.run({ timeoutSeconds: 0.2, criticalSeconds: 0.2 });
    await lab.agent.waitStatus(10, null, never);
    await lab.machinery.stop(lab.machine, never);
    expect(await running).toEqual({ status: 'timed_out' });
    await expect(lab.agent.info(never)).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' });
    await lab.results.finish();
    expect(lab.anomalies.sort()).toEqual([
      expect.stringMatching(/^"analysis.log" aborted/),
      expect.stringMatching(/^"logs\/strace.log" aborted/),
    ]);
  });
});

describe('a fault leads where it leads with a real machine', () => {
  test('no_start', async () => {
    await using lab = await fakeLab({ fault: 'no_start' });
    await lab.machinery.prepare(lab.machine, never);
    await expect(lab.run()).rejects.toMatchObject({ code: 'MACHINE_START_FAILED' });
    expect(await lab.machinery.state(lab.machine)).toBe('off');
  });

  test('dead_agent', async () => {
    await using lab = await fakeLab({ fault: 'dead_agent' });
    await expect(lab.run({ criticalSeconds: 0.2 })).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' });
    expect(await lab.machinery.state(lab.machine)).toBe('running');
  });

  test('slow_boot: only the patient get an answer', async () => {
    await using lab = await fakeLab({ fault: 'slow_boot' });
    await expect(lab.run({ criticalSeconds: 0.2 })).rejects.toMatchObject({ code: 'AGENT_UNREACHABLE' });
    expect(await lab.run({ criticalSeconds: 15 })).toEqual({ status: 'completed' });
  });

  test('hang', async () => {
    await using lab = await fakeLab({ fault: 'hang' });
    expect(await lab.run({ timeoutSeconds: 0.1, criticalSeconds: 0.3 })).toEqual({ status: 'timed_out' });
    expect(await lab.agent.status(never)).toMatchObject({ status: 'running' });
  });

  test('crash: what was sent before is kept', async () => {
    await using lab = await fakeLab({ fault: 'crash', runMs: 100 });
    const ended = await lab.run().then(
      () => null,
      (error: unknown) => error,
    );
    const reason: unknown = lab.machinery.lost(lab.machine).reason;
    expect(reason).toMatchObject({ code: 'GUEST_LOST', message: 'fake1: its kernel panicked' });
    expect(ended).toBe(reason);
    await lab.results.finish();
    expect(await lab.read('logs/strace.log')).toContain('execve(');
    await lab.machinery.start(lab.machine, never);
    expect(lab.machinery.lost(lab.machine).aborted).toBe(false);
  });

  test('flood: bounded by the budget, and the run goes on', async () => {
    await using lab = await fakeLab({ fault: 'flood' }, { limits: { logBytes: 200_000, pending: 8 } });
    expect(await lab.run()).toEqual({ status: 'completed' });
    await lab.results.finish();
    expect((await readFile(join(lab.dir, 'analysis.log'))).length).toBe(200_000);
    expect(lab.anomalies).toContain('"analysis.log" truncated after 200000 bytes: a limit was reached');
    expect(lab.anomalies).toContain('more than 8 connections without a header');
    expect(await lab.read('logs/strace.log')).toContain('execve(');
  });

  test('flood without a limit ends with the time of the task', async () => {
    await using lab = await fakeLab({ fault: 'flood' }, { limits: { logBytes: 0 } });
    expect(await lab.run({ timeoutSeconds: 0.05 })).toEqual({ status: 'completed' });
  });

  test('wrong_ip: everything comes from a stranger, and nothing is stored', async () => {
    await using lab = await fakeLab({ fault: 'wrong_ip' });
    expect(await lab.run()).toEqual({ status: 'completed' });
    await lab.results.finish();
    expect(new Set(lab.sources)).toEqual(new Set(['203.0.113.66']));
    expect(lab.results.stats).toEqual({ files: 0, bytes: 0, connections: 0, refused: 0 });
    await expect(lab.read('analysis.log')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('no_stop: the first order is not obeyed, the next is', async () => {
    await using lab = await fakeLab({ fault: 'no_stop' });
    expect(await lab.run()).toEqual({ status: 'completed' });
    const stop = () => lab.machinery.stop(lab.machine, never);
    await expect(stop()).rejects.toMatchObject({ code: 'MACHINE_STOP_FAILED' });
    expect(await lab.machinery.state(lab.machine)).toBe('running');
    await stop();
    expect(await lab.machinery.state(lab.machine)).toBe('off');
  });
});

test('idle machines cost no timer and no connection', async () => {
  await using lab = await fakeLab({ runMs: 3_600_000 });
  const count = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = count();
  await lab.machinery.start(lab.machine, never);
  expect(count()).toBe(before);
  await lab.agent.analyze({ config: '[analysis]\ncategory = url', clock: new Date(), sample: null }, never);
  await lab.machinery.stop(lab.machine, never);
  await lab.machinery.prepare(lab.machine, never);
  expect(count()).toBe(before);
});
