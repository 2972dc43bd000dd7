import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fakeSettings } from '#config/fake-conf.js';
import { homePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { pcapHeader } from '#formats/pcap-writer.js';
import { readText } from '../../../test/support/conf.js';
import { openFakeLab, runPlan } from './fake.js';
import type { MachineLabOptions } from './machine-lab.js';

const never = new AbortController().signal;
const warnings: string[] = [];
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fake-'));
  warnings.length = 0;
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function lab(conf: string, changes: Partial<MachineLabOptions> = {}) {
  const home = homePaths(dir);
  const { settings } = await loadSettings(home.conf);
  const fake = readText(fakeSettings, conf).settings;
  return openFakeLab({
    ...{ home, settings: { ...settings, fake }, runDir: home.run, machines: undefined, namePrefix: '' },
    ...{ mixed: false, log: (_level, message) => warnings.push(message), onProgress: () => {} },
    ...changes,
  });
}
const results = {
  accept: () => {},
  failed: never,
  finish: async () => {},
  [Symbol.asyncDispose]: async () => {},
};
const task = (changes: object = {}) => ({ id: 7, dir, route: 'inetsim', results, options: null, ...changes });

describe('the machines', () => {
  test('are as many as were asked for, and those that fake.conf names', async () => {
    const conf =
      '[fake]\nmachines = 3, phone\narch = x86\n[phone]\nplatform = android\ntags = touch\nip = 192.0.2.9\n';
    const { machinery } = await lab(conf, { machines: 2, namePrefix: 'b-' });
    expect(machinery.machines).toMatchObject([
      { name: 'b-fake1', label: 'b-fake1', platform: 'linux', arch: 'x86', tags: ['fake'], ip: '10.0.2.15' },
      { name: 'b-fake2' },
      { name: 'phone', label: 'phone', platform: 'android', arch: 'x86', tags: ['touch'], ip: '192.0.2.9' },
    ]);
    expect((await lab(conf)).machinery.machines).toHaveLength(4);
  });

  test('beside real ones are kept for tasks that ask for them, unless told otherwise', async () => {
    const conf = '[fake]\nmachines = 1, open\n[open]\nreserved = no\n';
    const reserved = async (mixed: boolean) =>
      (await lab(conf, { mixed })).machinery.machines.map((machine) => machine.reserved);
    expect(await reserved(true)).toEqual([true, false]);
    expect(await reserved(false)).toEqual([false, false]);
  });
});

describe('how a run goes', () => {
  const behaviour = (lines = '') => readText(fakeSettings, `[fake]\n${lines}`).settings.equal;
  const half = () => 0.5;

  test('is what the machine does, and what the task asks for first', () => {
    const by = behaviour('run_ms = 30\nboot_ms = 4\nfault = hang');
    expect(runPlan(by, null, half)).toEqual({ fault: 'hang', bootMs: 4, runMs: 30 });
    expect(runPlan(by, 'fake=crash,fake_ms=0', half)).toEqual({ fault: 'crash', bootMs: 4, runMs: 0 });
    expect(runPlan(by, 'fake=none', half)).toMatchObject({ fault: null });
  });

  test('is drawn by the chances of fake.conf', () => {
    const by = behaviour('fault = crash 10%, hang 20%');
    const drawn = (random: number) => runPlan(by, null, () => random).fault;
    expect([0, 0.0999, 0.1, 0.2999, 0.3, 0.9999].map(drawn)).toEqual([
      ...['crash', 'crash', 'hang', 'hang'],
      ...[null, null],
    ]);
  });

  test.each(['fake=explode', 'fake_ms=soon', 'fake_ms=-1', 'fake_ms=99999999999'])(
    '%s is refused',
    (options) => {
      expect(() => runPlan(behaviour(), options, half)).toThrow(`option ${options} is`);
    },
  );
});

describe('the wire', () => {
  test('is captured honestly: nothing was on it', async () => {
    const { openNetwork, machinery } = await lab('');
    const [machine] = machinery.machines;
    if (machine === undefined) throw new Error('there is a machine');
    await using network = await openNetwork(machine, task());
    await network.finish();
    expect(await readFile(join(dir, 'dump.pcap'))).toEqual(pcapHeader());
    await expect(openNetwork(machine, task({ route: 'vpn0' }))).rejects.toMatchObject({
      code: 'ROUTE_UNAVAILABLE',
    });
    await expect(openNetwork(machine, task({ dir: join(dir, 'none') }))).rejects.toMatchObject({
      code: 'CAPTURE_FAILED',
    });
  });

  test("refuses what comes from another's address, and says so", async () => {
    const { openNetwork, machinery, agent } = await lab('[fake]\nrun_ms = 0\n');
    const [machine] = machinery.machines;
    if (machine === undefined) throw new Error('there is a machine');
    const accept = () => {
      throw new Error('taken');
    };
    await using _ = await openNetwork(
      machine,
      task({ options: 'fake=wrong_ip', results: { ...results, accept } }),
    );
    await machinery.start(machine, never);
    await agent(machine).analyze({ config: '[analysis]\nid = 7', clock: new Date(), sample: null }, never);
    expect(await agent(machine).waitStatus(10, 'running', never)).toMatchObject({ status: 'complete' });
    expect(new Set(warnings)).toEqual(
      new Set(['a connection to the result server from 203.0.113.66 is refused: fake1 has 10.0.2.15']),
    );
    await machinery.stop(machine, never);
  });
});
