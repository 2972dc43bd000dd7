import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FakeBehaviour, FakeSettings } from '#config/fake-conf.js';
import { ARTIFACTS } from '#domain/artifacts.js';
import { diskError } from '#domain/disk-error.js';
import { SandboxError } from '#domain/errors.js';
import { FAULTS, isFault, type Fault } from '#domain/faults.js';
import type { Machine } from '#domain/machine.js';
import { parseOptions } from '#domain/task.js';
import { pcapHeader } from '#formats/pcap-writer.js';
import { AgentClient } from '#guest/agent.js';
import type { GuestPlan } from '#machinery/adapters/fake/plan.js';
import { scriptedMachinery, type ScriptedMachinery } from '#machinery/adapters/fake/scripted.js';
import type { GuestNetwork, NetworkTask } from '../lab.js';
import { prefixed, type MachineLab, type MachineLabOptions } from './machine-lab.js';
import { knownRoute } from './routes.js';

/** As the default guest of QEMU has it: of the network that the worker plays. */
const RESULT_SERVER = { ip: '10.0.2.2', port: 2042 };
const GUEST_IP = '10.0.2.15';

const LONGEST_RUN_MS = 86_400_000;

/** Machines without a hypervisor: guests that are played, on a wire that ends in this process. */
export async function openFakeLab(options: MachineLabOptions): Promise<MachineLab> {
  const { settings, log, onProgress } = options;
  const { equal, machines: named } = settings.fake;
  const machines = fakeMachines(settings.fake, options);
  const behaviours = new Map(named.map((one): [string, FakeBehaviour] => [one.name, one]));
  const machinery = scriptedMachinery(machines);
  onProgress(`${machines.length} fake machines: their guests are scripted, no sample runs in them`, true);
  return {
    machinery,
    openNetwork: async (machine, task) => {
      knownRoute(task.route, machine);
      const plan = runPlan(behaviours.get(machine.name) ?? equal, task.options, Math.random);
      return openWire(machinery, machine, {
        ...task,
        plan,
        onRefused: (why) =>
          log('warn', why, {
            task: task.id,
            machine: machine.name,
            code: 'PROTOCOL_VIOLATION',
          }),
      });
    },
    agent: (machine) => new AgentClient((by) => machinery.dial(machine, by)),
    // What still runs ends with its pool, which stops every machine.
    [Symbol.asyncDispose]: async () => {},
  };
}

function fakeMachines(
  { guests, equal, machines }: FakeSettings,
  { machines: wanted, namePrefix, mixed }: Pick<MachineLabOptions, 'machines' | 'namePrefix' | 'mixed'>,
): readonly Machine[] {
  const one = (name: string, label: string, ip: string, by: FakeBehaviour): Machine => ({
    ...{ name, label, ip, platform: by.platform, arch: by.arch, tags: by.tags },
    reserved: by.reserved === 'auto' ? mixed : by.reserved === 'yes',
    resultServer: RESULT_SERVER,
    snapshot: null,
  });
  const alike = Array.from({ length: wanted ?? guests }, (_, index) =>
    one(`fake${index + 1}`, `fake${index + 1}`, GUEST_IP, equal),
  );
  return [...prefixed(alike, namePrefix), ...machines.map((own) => one(own.name, own.label, own.ip, own))];
}

/**
 * How one run goes: as the task's options `fake` (a fault, or none) and `fake_ms` say, else as its machine does.
 *
 * @param random in [0, 1), as Math.random
 * @throws BAD_REQUEST for options that mean nothing
 */
export function runPlan(by: FakeBehaviour, options: string | null, random: () => number): GuestPlan {
  const asked = parseOptions(options);
  const fault = asked.get('fake');
  const ms = asked.get('fake_ms');
  if (fault !== undefined && fault !== 'none' && !isFault(fault)) {
    const message = `option fake=${fault} is not one of none, ${FAULTS.join(', ')}`;
    throw new SandboxError('BAD_REQUEST', message);
  }
  if (ms !== undefined && !(/^\d{1,9}$/.test(ms) && Number(ms) <= LONGEST_RUN_MS)) {
    const message = `option fake_ms=${ms} is no number of milliseconds up to ${LONGEST_RUN_MS}`;
    throw new SandboxError('BAD_REQUEST', message);
  }
  return {
    fault: fault === undefined ? drawn(by, random) : fault === 'none' ? null : fault,
    bootMs: by.boot_ms,
    runMs: ms === undefined ? by.run_ms : Number(ms),
  };
}

/** One throw decides among all faults: their chances add up. */
function drawn({ fault }: FakeBehaviour, random: () => number): Fault | null {
  if (fault.length === 0) return null;
  let left = random() * 100;
  for (const chance of fault) {
    left -= chance.percent;
    if (left < 0) return chance.fault;
  }
  return null;
}

interface Wire extends Pick<NetworkTask, 'dir' | 'results'> {
  readonly plan: GuestPlan;
  readonly onRefused: (why: string) => void;
}

/** Plugs the machine in for one run. The capture is empty, with its header: there is no network to capture. */
async function openWire(
  machinery: ScriptedMachinery,
  machine: Machine,
  { dir, results, plan, onRefused }: Wire,
): Promise<GuestNetwork> {
  const path = join(dir, ARTIFACTS.pcap);
  await writeFile(path, pcapHeader(), { mode: 0o640 }).catch((cause: unknown) => {
    throw diskError(`${path} cannot be written`, cause);
  });
  const plugged = machinery.plug(machine, plan, (stream, from) => {
    if (from === machine.ip) {
      results.accept(stream);
      return;
    }
    onRefused(`a connection to the result server from ${from} is refused: ${machine.name} has ${machine.ip}`);
    stream.destroy();
  });
  return {
    failed: new AbortController().signal,
    setClock: () => {},
    finish: async () => {},
    [Symbol.asyncDispose]: async () => plugged[Symbol.dispose](),
  };
}
