import { afterAll, beforeAll, describe } from '@jest/globals';
import type { FakeHost, VmState } from '../support/vboxmanage/model.js';
import { virtualBoxLab, type LabGiven, type VirtualBoxLab } from '../support/vboxmanage/lab.js';
import { machineryContract } from './machinery.contract.js';

/** Everything that makes VirtualBox hard to steer, at once. */
const SLOW: Partial<FakeHost> = {
  transientMs: 80,
  unlockingMs: 400,
  deniedInTransit: true,
  earlyStart: true,
};

const OFF = { snapshots: [{ name: 'clean', live: false }] };

const CASES: readonly (readonly [name: string, given: LabGiven, ends: VmState])[] = [
  ['a snapshot of a running machine', {}, 'aborted'],
  ['slow unlocking and transient states', { host: SLOW }, 'poweroff'],
  [
    'a snapshot of a machine that was off, as on Windows',
    { host: { ...SLOW, windows: true, progress: 'stdout' }, vm: OFF, machine: { snapshot: null } },
    'gurumeditation',
  ],
];

describe.each(CASES)('VirtualBox with %s', (name, given, ends) => {
  let lab: VirtualBoxLab;

  beforeAll(async () => {
    lab = await virtualBoxLab(given);
  });

  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  machineryContract(`VirtualBox (${name})`, () => ({
    machinery: lab.machinery,
    lose: async () => await lab.fake.end('cuckoo1', ends),
  }));
});
