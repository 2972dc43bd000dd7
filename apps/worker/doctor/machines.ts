import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineryName } from '#config/machineries.js';
import type { Settings } from '#config/settings.js';
import { reason, SandboxError } from '#domain/errors.js';
import type { Machine, OwnMachine } from '#domain/machine.js';
import { Cleanup } from '../../cleanup.js';
import type { MachineLab } from '../labs/machine-lab.js';
import { labOpener } from '../open-lab.js';
import { openTrialNetwork } from '../trial-network.js';
import { fail, ok, skipped, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured } from './context.js';
import { defaultImage, templateFolders } from './guest.js';
import { machineHops } from './machine/hops.js';
import type { Patient } from './machine/patient.js';
import { isOnInterface } from './own-machines.js';

/** Milliseconds of one machine: all its hops have limits of their own, which together are less. */
const MACHINE_MS = 15 * 60_000;
/** Milliseconds to stop it when nobody waits any more: less than the process has. */
const GRACE_MS = 15_000;
/** Milliseconds for a lab's agent, when it need not boot. */
const RESTORED_MS = 30_000;
/** Milliseconds: its port is open, so it is there; an emulated one is slow the first time. */
const ANSWER_MS = 20_000;
/** Milliseconds for the guest to connect to the result server: it gives up after eight seconds, an emulated one starts slowly. */
const HEARD_MS = 20_000;

/** A machine that is to be looked at, and how its lab is opened for it alone. */
interface Candidate {
  readonly name: string;
  readonly kind: MachineryName;
  /** Null for default guests, which are all alike: one is enough. */
  readonly own: OwnMachine | null;
  readonly settings: Settings;
}

/** Each machine of one's own, and one of each kind of default machines; with `only`, the one of that name. */
export function machineChecks(configured: Configured, only: string | undefined): readonly Check[] {
  const { running } = configured;
  const all = candidates(configured);
  const chosen = only === undefined ? all : all.filter((one) => fits(one, only));
  if (only !== undefined && chosen.length === 0) {
    const names = all.map(({ name }) => name).join(', ') || 'none';
    const found = `no machine is named ${JSON.stringify(only)}; there are: ${names}`;
    return [{ name: 'machine', run: () => fail(found, 'name one of these with --machine') }];
  }
  return chosen.map((one) => ({
    name: 'machine',
    machine: one.name,
    ms: MACHINE_MS,
    graceMs: GRACE_MS,
    run: (signal) =>
      running === null
        ? look(configured, one, signal)
        : skipped(
            `the ${running.what} of this home has it (pid ${running.pid}): \`malkoha machine test ${one.name}\` has that test it; stop the ${running.what} for a look hop by hop`,
          ),
  }));
}

/** `linux3` is a default guest as `linux1` is. */
function fits({ name, own }: Candidate, only: string): boolean {
  return own === null
    ? name.replace(/\d+$/, '') === only.replace(/\d+$/, '')
    : name === only || own.label === only;
}

function candidates({ machinery, settings }: Configured): readonly Candidate[] {
  const { qemu, kvm, virtualbox, fake } = settings;
  return machinery.flatMap((kind): Candidate[] => {
    switch (kind) {
      case 'qemu':
        if (qemu.guests !== 0) return [{ name: 'linux1', kind, own: null, settings }];
        return qemu.machines.map((own) =>
          one(kind, own, { ...settings, qemu: { ...qemu, machines: [own] } }),
        );
      case 'kvm':
        return kvm.machines.map((own) => one(kind, own, { ...settings, kvm: { ...kvm, machines: [own] } }));
      case 'virtualbox':
        return virtualbox.machines.map((own) =>
          one(kind, own, { ...settings, virtualbox: { ...virtualbox, machines: [own] } }),
        );
      case 'fake':
        return fake.guests > 0 ? [{ name: 'fake1', kind, own: null, settings }] : [];
    }
  });
}

function one(kind: MachineryName, own: OwnMachine, settings: Settings): Candidate {
  return { name: own.name, kind, own, settings };
}

async function look(
  configured: Configured,
  candidate: Candidate,
  signal: AbortSignal,
): Promise<readonly Verdict[]> {
  const { kind, own } = candidate;
  if (kind === 'qemu' && own === null) {
    const missing = await notBuilt(configured);
    if (missing !== null) return [missing];
  }
  await using cleanup = new Cleanup();
  // In the home folder, so that what a killed look left is found by the next.
  const runDir = join(configured.home.run, 'doctor');
  cleanup.defer(() => rm(runDir, { recursive: true, force: true }));
  let lab;
  try {
    lab = cleanup.use(await openFor(configured, candidate, runDir, signal));
  } catch (error) {
    signal.throwIfAborted();
    return [refused(error, sectionOf(candidate))];
  }
  const [machine] = lab.machinery.machines;
  if (machine === undefined) return [fail('its lab does not have it', 'report it as a defect of Malkoha')];
  const hops = await machineHops(patient(configured, candidate, { lab, machine }, signal), signal);
  return [{ ...ok(about(lab, machine)), check: 'hypervisor' }, ...hops];
}

/** A look must not begin with a build of minutes. */
async function notBuilt(configured: Configured): Promise<Verdict | null> {
  const saved = await templateFolders(configured.home.guests);
  if (saved.length > 0 && (await defaultImage(configured)) !== null) return null;
  return skipped('the default guest is not built yet: `malkoha guest build` builds it, then run this again');
}

async function openFor(
  { home }: Configured,
  { kind, own, settings }: Candidate,
  runDir: string,
  signal: AbortSignal,
): Promise<MachineLab> {
  const open = await labOpener(kind);
  const options = {
    ...{ home, settings, runDir, namePrefix: '', mixed: false },
    machines: own === null ? 1 : undefined,
    log: () => undefined,
    onProgress: () => undefined,
  };
  return await open(options, signal);
}

/** What the hypervisor says against it: no such machine, no such snapshot, no access. */
function refused(error: unknown, section: string): Verdict {
  const code = error instanceof SandboxError ? error.code : null;
  const fix =
    code === 'CONFIG_INVALID'
      ? `correct ${section}, or mend what the message names`
      : 'do what the message says, then run this again';
  return { ...fail(reason(error), fix), check: 'hypervisor' };
}

function about({ machinery }: MachineLab, { label, snapshot }: Machine): string {
  const from = snapshot === null ? '' : `, with its snapshot ${snapshot}`;
  return `${machinery.kind} knows ${label}${from}`;
}

function sectionOf({ own, name, kind }: Candidate): string {
  return own === null ? `[${kind}] of ${kind}.conf` : `[${name}] of ${kind}.conf`;
}

function patient(
  { host, settings }: Configured,
  candidate: Candidate,
  { lab, machine }: { lab: MachineLab; machine: Machine },
  signal: AbortSignal,
): Patient {
  const { own, kind } = candidate;
  const { timeouts, resultserver } = settings.cuckoo;
  const onInterface = own !== null && isOnInterface(kind, own);
  return {
    machine,
    machinery: lab.machinery,
    agent: lab.agent(machine),
    reach: onInterface ? { ip: own.ip, agentPort: own.agentPort, interface: own.interface } : null,
    section: sectionOf(candidate),
    options: own?.options ?? [],
    openNetwork: (accept) => openTrialNetwork(lab, machine, { routing: settings.routing, accept }, signal),
    stopped: () => lab.stopped?.(machine),
    resultServerIp: resultserver.ip,
    missingAnalyzer:
      lab.own === undefined || lab.own.analyzer(machine) !== null ? null : lab.own.bring(machine),
    patience: {
      bootMs: own === null ? RESTORED_MS : timeouts.vm_state * 2000,
      answerMs: ANSWER_MS,
      heardMs: HEARD_MS,
    },
    now: host.now,
  };
}
