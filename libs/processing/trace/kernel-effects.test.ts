import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { TraceBuilder, type Trace } from './trace.js';

const kernelLines = readFileSync('test/fixtures/kernel-trace/escape.trace', 'utf8').trimEnd().split('\n');

function read(strace: string | null): Trace {
  const builder = new TraceBuilder();
  if (strace !== null) builder.push(readFileSync(`test/fixtures/strace/${strace}.log`));
  for (const line of kernelLines) builder.pushKernel(line);
  return builder.finish();
}

describe('what strace did not see', () => {
  const trace = read('dropper');
  const escaped = trace.processes.find(({ pid }) => pid === 30001);

  test('a process that escaped is its parent’s child, with program and arguments', () => {
    expect(escaped).toMatchObject({
      track: false,
      name: '.x y',
      path: '/tmp/.x y',
      commandLine: `'[kworker/0:1]' --quiet`,
      exitCode: null,
    });
    expect(escaped?.parent).toBe(trace.processes[0]);
    expect(escaped?.ended).not.toBeNull();
  });

  test('its deeds are in the summary', () => {
    expect(escaped?.summary.toReport()).toMatchObject({
      file_created: ['/tmp/out "q" txt'],
      file_read: ['/tmp/relative'],
      file_deleted: ['/tmp/.x y'],
      file_executed: ['/tmp/.x y'],
      connects_ip: ['203.0.113.5:80'],
    });
    expect(escaped?.calls.map(({ api }) => api)).toEqual([
      'execve',
      'openat2',
      'openat2',
      'connect',
      'unlinkat',
    ]);
  });

  test('its times are those of the strace log', () => {
    const [root] = trace.processes;
    expect((escaped?.firstSeen ?? 0) - (root?.firstSeen ?? 0)).toBeCloseTo(0.0199, 4);
  });

  test('the tracer and traced processes are not taken for it', () => {
    expect(trace.processes.filter(({ track }) => !track).map(({ pid }) => pid)).toEqual([30001, 30010]);
    expect(trace.notes).toEqual([
      '2 processes escaped tracing: only the kernel trace saw them.',
      '12 kernel events were lost.',
    ]);
  });

  test('what cron runs is shown as a root of its own', () => {
    expect(trace.processes.find(({ pid }) => pid === 30010)).toMatchObject({
      parent: null,
      ppid: 300,
      commandLine: '/bin/sh -c /tmp/job',
    });
  });
});

test('without a strace log the kernel’s word is all there is, from the first program on', () => {
  const trace = read(null);
  expect(trace.processes.map(({ name }) => name)).toEqual(['sh', 'sh', '.x y', 'sh']);
  expect(trace.processes[0]).toMatchObject({ commandLine: 'sh /tmp/lab/dropper.sh', track: false });
});

test('the analyzer’s clock line makes times of day of the kernel’s', () => {
  const builder = new TraceBuilder();
  for (const line of ['# clock: + 1700000000.500000 = seconds since 1970', ...kernelLines])
    builder.pushKernel(line);
  expect(builder.finish().processes[0]?.firstSeen).toBe(1700000100.5001);
});
