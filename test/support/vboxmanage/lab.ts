import type { OwnMachine } from '#domain/machine.js';
import { localHost } from '#machinery/adapters/virtualbox/local-host.js';
import {
  virtualboxMachinery,
  type VirtualBoxMachinery,
  type VirtualBoxSetup,
} from '#machinery/adapters/virtualbox/virtualbox.js';
import { aMachine } from '../machine.js';
import { installVBoxManage, type FakeVirtualBox } from './install.js';
import { aVm, type FakeHost, type VmGiven } from './model.js';

export interface VirtualBoxLab extends AsyncDisposable {
  readonly fake: FakeVirtualBox;
  readonly machinery: VirtualBoxMachinery;
  readonly machine: OwnMachine;
}

export interface LabGiven {
  readonly host?: Partial<FakeHost>;
  readonly vm?: Partial<VmGiven>;
  readonly machine?: Partial<OwnMachine>;
  readonly setup?: Partial<VirtualBoxSetup>;
}

export function ownMachine(changes: Partial<OwnMachine> = {}): OwnMachine {
  return {
    ...aMachine('win10', { platform: 'windows', snapshot: 'clean' }),
    ...{ label: 'cuckoo1', interface: '', options: [], agentPort: 8000 },
    ...changes,
  };
}

/** The fake VBoxManage with one machine, `cuckoo1`, whose snapshot `clean` was taken while it ran. */
export async function fakeHost({ host = {}, vm = {} }: LabGiven = {}): Promise<FakeVirtualBox> {
  const machines = [aVm({ name: 'cuckoo1', snapshots: [{ name: 'clean' }], ...vm })];
  return await installVBoxManage({ ...host, machines: [...machines, ...(host.machines ?? [])] });
}

/** That machine as Malkoha's `win10`. */
export async function openOn(
  fake: FakeVirtualBox,
  { machine, setup = {} }: LabGiven = {},
): Promise<VirtualBoxMachinery> {
  return await virtualboxMachinery(
    {
      host: localHost({ program: fake.path, environment: {} }),
      machines: [ownMachine(machine)],
      ...{ mode: 'headless', controlPorts: null, startLimit: 2, stateTimeoutMs: 30_000 },
      ...setup,
    },
    AbortSignal.timeout(60_000),
  );
}

export async function virtualBoxLab(given: LabGiven = {}): Promise<VirtualBoxLab> {
  const fake = await fakeHost(given);
  try {
    const machinery = await openOn(fake, given);
    return {
      ...{ fake, machinery, machine: ownMachine(given.machine) },
      async [Symbol.asyncDispose]() {
        await machinery[Symbol.asyncDispose]();
        await fake[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await fake[Symbol.asyncDispose]();
    throw error;
  }
}
