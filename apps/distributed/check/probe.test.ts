import { expect, test } from '@jest/globals';
import { NodeError } from '#nodes/error.js';
import type { NodeClient, NodeMachine, RemoteTask } from '#nodes/node.js';
import type { Verdict } from '../../verdict.js';
import { readWanted } from './check.controller.js';
import { switchOn } from './fetch-reports.js';
import { ended } from './follow-task.js';
import { harmlessFor, pickMachine } from './harmless.js';
import type { Patient } from './patient.js';
import { removeProbe } from './remove-probe.js';

const machine = (name: string, platform: string, reserved = false): NodeMachine => ({
  ...{ name, platform, reserved },
  ...{ label: null, arch: null, tags: [] },
});

test('the probe goes to a machine that any task may have, best of all one that runs scripts', () => {
  const [mac, win, linux] = [machine('m', 'darwin'), machine('w', 'windows'), machine('l', 'linux')];
  expect(pickMachine([mac, win, linux])).toBe(linux);
  expect(pickMachine([mac, win, machine('r', 'linux', true)])).toBe(win);
  expect(pickMachine([machine('r', 'linux', true)])?.name).toBe('r');
  expect(pickMachine([])).toBeNull();
});

test('each platform is given something harmless that it can open', () => {
  expect(harmlessFor('linux')).toMatchObject({ target: 'malkoha-check.sh', content: /^#!\/bin\/sh\n/ });
  expect(harmlessFor('windows').content).toMatch(/^@echo off\r\n/);
  expect(harmlessFor('android')).toEqual({ target: 'http://malkoha-check.invalid/', content: null });
});

test('an end says why', () => {
  const task: RemoteTask = { id: 7, status: 'running', mark: null, startedOn: null, reason: null };
  expect(ended(task, '1 s')).toBeNull();
  expect(ended({ ...task, status: 'completed' }, '1 s')).toBeNull();
  expect(ended({ ...task, status: 'reported' }, '1 s')).toMatchObject({ status: 'ok' });
  expect(ended({ ...task, status: 'failed_analysis', reason: 'no machine' }, '1 s')).toMatchObject({
    status: 'fail',
    found: 'task 7 ended as "failed_analysis" after 1 s: "no machine"',
    fix: expect.stringContaining('malkoha doctor'),
  });
  expect(ended({ ...task, status: 'failed_processing' }, '1 s')).toMatchObject({
    found: expect.stringContaining('does not say why'),
    fix: expect.stringContaining('malkoha process 7'),
  });
});

test.each([
  ['json', 'cuckoo', '[jsondump]'],
  ['html', 'cape', '[reporthtml]'],
  ['sarif', 'cuckoo', 'the module that writes sarif'],
  ['sarif', 'malkoha', 'take sarif out of report_formats'],
  ['pcap', 'cuckoo', '[sniffer]'],
])('a %s report that is missing on %s: %s', (format, dialect, fix) => {
  expect(switchOn(format, dialect)).toContain(fix);
});

test('the fields of a request', () => {
  expect(readWanted(new Map())).toEqual({ analysis: true, timeoutS: 600 });
  expect(readWanted(new Map([['analysis', '0'], ['timeout', '30']]))).toEqual({ analysis: false, timeoutS: 30 }); // prettier-ignore
  for (const timeout of ['0', '-1', 'x', '1e3', '999999'])
    expect(() => readWanted(new Map([['timeout', timeout]]))).toThrow('"timeout" must be');
  expect(() => readWanted(new Map([['analysis', 'perhaps']]))).toThrow('"analysis"');
});

/** A node that has task 7 with this mark, and answers its removal so. */
async function removed(mark: string, remove: () => Promise<boolean>): Promise<[Verdict, number]> {
  let calls = 0;
  const client: Pick<NodeClient, 'view' | 'remove'> = {
    view: async (id) => ({ id, status: 'reported', mark, startedOn: null, reason: null }),
    remove: () => {
      calls += 1;
      return remove();
    },
  };
  const verdicts: Verdict[] = [];
  const patient = { node: { name: 'n1', url: 'http://n1/' }, client } as Patient;
  await removeProbe(patient, { id: 7, mark: 'dist:check-1' }, (_check, verdict) => verdicts.push(verdict));
  expect(verdicts).toHaveLength(1);
  return [verdicts[0] as Verdict, calls];
}

test('a token that may submit and not delete is a fault: everything would stay there', async () => {
  const denied = new NodeError('NODE_DENIED', 'node n1: 403, it needs the scope admin');
  const [verdict, calls] = await removed('dist:check-1', () => Promise.reject(denied));
  expect([verdict.status, calls]).toEqual(['fail', 1]);
  expect(verdict.fix).toContain('--node-token');
});

test('the task of somebody else that has its id is left alone', async () => {
  const [verdict, calls] = await removed('dist:other', async () => true);
  expect([verdict.status, calls]).toEqual(['ok', 0]);
});
